"""A tagger's raw answer to tags, with an account of what had to be mended.

A JSON list of strings is read at once. Everything else that models write instead is read as far
as it is clear (fences, prose around, quotes, aspects, bullets, a missing end) and named in
`ParsedTags.repairs`, so that a report can say how well a model keeps to its format. An answer
that is no list, such as a refusal, gives None: tags are never picked out of prose.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from earmark.annotate.backends.chat import MOST_TAGS
from earmark.annotate.parsing.json import LooseReader, Value
from earmark.annotate.reading.bare_list import NOTHING, looks_like_label, names_list, read_bare_list

VERSION = 1
"""Raised when a rule changes: tags read by another version may differ."""

REPAIRS = (
    "thinking",  # a block of reasoning before the answer was cut
    "fence",  # the list stood in a Markdown code block
    "prose",  # words or marks of a chat template stood around the list
    "single quotes",  # strings in other marks than double quotes
    "trailing comma",  # one comma too many, or one missing
    "truncated",  # the list has no end; the last, incomplete tag was dropped
    "object",  # a JSON object: {"tags": [...]}, or aspects with their tags
    "nested",  # lists in lists, or JSON in a string
    "bare list",  # a list without JSON's quotes or brackets
    "not text",  # numbers, nulls, empty strings and "none" were dropped
    "case",  # capitals were lowered
    "punctuation",  # signs in or around a tag were dropped, or became a hyphen
    "several words",  # two or three words were joined by hyphens
    "phrase",  # labels of more words were dropped
    "duplicate",  # a tag stood there twice
    "too many",  # tags past the tenth were cut
)
"""All that `parse_tags` can mend, in the order in which it is reported."""

MOST_WORDS = 3
LONGEST_TAG = 40  # characters


class ParsedTags(msgspec.Struct, frozen=True):
    """What was read of an answer.

    Attributes:
        tags: one to MOST_TAGS; lower case, letters and digits, parts joined by single hyphens;
            each once.
        repairs: what was mended, of REPAIRS, in its order, each once.
    """

    tags: tuple[str, ...]
    repairs: tuple[str, ...] = ()


def parse_tags(text: str) -> ParsedTags | None:
    """Read a tagger's answer; None where it holds no list of tags."""
    repairs: set[str] = set()
    labels: Sequence[Value] | None = _strict(text)
    if labels is None:
        labels = _tolerant(text, repairs)
    if labels is None:
        return None
    tags = tuple(dict.fromkeys(_tags(labels, repairs)))
    if not tags:
        return None
    if len(tags) > MOST_TAGS:
        repairs.add("too many")
    return ParsedTags(tags[:MOST_TAGS], tuple(name for name in REPAIRS if name in repairs))


def _strict(text: str) -> list[str] | None:
    try:
        return msgspec.json.decode(text, type=list[str])
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


# --- finding the list ---

_THINKING = re.compile(r"\A.*</(?:think|thinking|thought|reasoning)>", re.DOTALL)
_OPEN_THINKING = re.compile(r"\A\s*<(?:think|thinking|thought|reasoning)>")
_FENCE = re.compile(r"```[ \t]*(?:[A-Za-z]+[ \t]*(?=\n)|json\b)?(.*?)(?:```|\Z)", re.DOTALL)
_TEMPLATE = re.compile(r"<\|[A-Za-z_]+\|>|</?(?:start|end)_of_turn>|</?s>")
_OPENING = re.compile(r"[\[{]")
_AROUND = " \n\t.;,`*"
_MOST_OPENINGS = 20  # brackets at which a list is looked for: a loop of them is none
_REFUSAL = re.compile(
    r"\W*(?:i'm sorry|i am sorry|sorry|i apologi[sz]e|unfortunately|as an ai|i cannot|i can't"
    r"|i'm unable|i am unable|i do not|i don't)\b",
    re.IGNORECASE,
)


def _tolerant(text: str, repairs: set[str]) -> Sequence[Value] | None:
    """Return the labels of the first list in the answer, and note what was around it."""
    body = _without_thinking(text, repairs)
    bare = _TEMPLATE.sub(" ", body).strip()
    if len(bare) < len(body.strip()):
        repairs.add("prose")
    if fence := _FENCE.search(bare):
        outside = bare[: fence.start()] + bare[fence.end() :]
        labels = _labels_in(fence[1], repairs)
        if labels is not None:
            repairs.update({"fence", "prose"} if outside.strip() else {"fence"})
            return labels
    return _labels_in(bare, repairs)


def _without_thinking(text: str, repairs: set[str]) -> str:
    thought = _THINKING.match(text)
    if thought is None and _OPEN_THINKING.match(text) is None:
        return text
    repairs.add("thinking")
    return text[thought.end() :] if thought else ""


def _labels_in(text: str, repairs: set[str]) -> Sequence[Value] | None:
    """Return the labels of the first list in `text`, JSON of any kind or a plain one."""
    text = text.strip()
    if text.startswith('"') and '\\"' in text and (inner := _unpacked(text)) is not None:
        repairs.add("nested")
        text = inner
    if not _OPENING.search(text):
        return _plain_labels(text, repairs)
    for start in [found.start() for found in islice(_OPENING.finditer(text), _MOST_OPENINGS)]:
        if found := _list_at(text, start):
            repairs |= found.notes
            return found.labels
    return None


def _plain_labels(text: str, repairs: set[str]) -> Sequence[str] | None:
    if _REFUSAL.match(text.replace("’", "'")) or (found := read_bare_list(text)) is None:
        return None
    repairs.update({"bare list", "prose"} if found.prose else {"bare list"})
    return found.items


class _Found(NamedTuple):
    labels: list[Value]
    notes: set[str]


def _list_at(text: str, start: int) -> _Found | None:
    """Read the list that begins at `start`, and those that follow it under headings of aspects."""
    labels: list[Value] = []
    notes: set[str] = set()
    first = start
    while True:
        reader = LooseReader(text, start)
        labels.extend(_flat(reader.read(), notes))
        notes |= reader.repairs
        end = reader.position
        following = _OPENING.search(text, end)
        if following is None or not _continues_list(text[end : following.start()]):
            break
        notes.add("object")
        start = following.start()
    around = (text[:first] + text[end:]).strip(_AROUND)
    if not any(isinstance(label, str) for label in labels) or not _is_list(labels, notes, around):
        return None
    return _Found(labels, notes | {"prose"} if around else notes)


def _continues_list(between: str) -> bool:
    """Whether what stands between two lists is the heading of the second, such as "Sources:"."""
    heading = between.strip(" \n\t,;*_")
    return heading.endswith(":") and names_list(heading[:-1])


def _is_list(labels: list[Value], notes: set[str], around: str) -> bool:
    """Whether words without quotes are tags: not in the brackets of a sentence, "[inaudible]"."""
    if "bare list" not in notes:
        return True
    words = [label for label in labels if isinstance(label, str)]
    return all(map(looks_like_label, words)) and (len(words) > 1 or not around)


def _unpacked(text: str) -> str | None:
    """Return what a JSON string holds, for lists that were encoded twice."""
    try:
        return msgspec.json.decode(text, type=str)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


_KEYS = ("tags", "tag", "labels", "label", "keywords", "audio_tags")


def _flat(value: Value, notes: set[str], depth: int = 0) -> Iterator[Value]:
    """Yield the labels of a list, however deep; of an object, its tags or all its aspects'."""
    if isinstance(value, list):
        if depth:
            notes.add("nested")
        for item in value:
            yield from _flat(item, notes, depth + 1)
    elif isinstance(value, dict):
        notes.add("object")
        for inner in _members(value):
            # The lists of an object's aspects are not lists within a list.
            yield from _flat(inner, notes, 0)
    elif isinstance(value, str) and depth == 0 and "," in value:
        notes.add("bare list")
        yield from value.split(",")
    else:
        yield value


def _members(members: dict[str, Value]) -> Iterable[Value]:
    """Return what of an object are tags: its "tags", or all values, or keys with numbers."""
    named = [value for key, value in members.items() if key.lower() in _KEYS]
    if named:
        return named
    if all(isinstance(value, bool | float) for value in members.values()):
        return [key for key, value in members.items() if value is not False]
    return members.values()


# --- tags ---

_CLEAN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+){0,2}")
_POSSESSIVE = re.compile(r"(?<=\w)['’]s\b")
_JOINT = re.compile(r"[\s_-]+")
_SIGN = re.compile(r"[\W_]+")


def _tags(labels: Iterable[Value], repairs: set[str]) -> Iterator[str]:
    """Yield each tag once, and note what became of the rest."""
    seen: set[str] = set()
    for label in labels:
        tag = _tag(label, repairs)
        if tag in seen:
            repairs.add("duplicate")
        elif tag:
            seen.add(tag)
            yield tag


def _tag(label: Value, repairs: set[str]) -> str:
    """Return a label as a tag, "" where it is none."""
    if not isinstance(label, str) or not any(map(str.isalpha, label)):
        repairs.add("not text")
        return ""
    if len(label) <= LONGEST_TAG and _CLEAN.fullmatch(label) and label not in NOTHING:
        return label
    lower = unicodedata.normalize("NFKC", label).lower()
    if lower != label:
        repairs.add("case")
    parts = _JOINT.split(_POSSESSIVE.sub("", lower))
    tag = "-".join(word for part in parts if (word := _SIGN.sub("-", part).strip("-")))
    if not tag or tag in NOTHING:
        repairs.add("not text")
        return ""
    if tag.count("-") >= MOST_WORDS or len(tag) > LONGEST_TAG:
        repairs.add("phrase")
        return ""
    if len(lower.split()) > 1:
        repairs.add("several words")
    if "-".join(lower.split()) != tag:
        repairs.add("punctuation")
    return tag
