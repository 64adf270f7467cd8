"""Parse a tagger's raw answer into tags, with a list of the repairs that it took.

A JSON list of strings is read at once. Everything else that models write instead is read as far as
it is clear (code fences, text around the list, quotes, aspects, bullets, a missing end) and named
in `ParsedTags.repairs`, so that a report can say how well a model keeps to its format. An answer
that is no list, such as a refusal, gives None: tags are never picked out of prose. Sentences have
commas too, so a plain list (lines, bullets, hashtags, commas) is read only where nearly all its
items look like labels: few words, and none that only sentences have.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from earmark.annotate.backends.chat import MAX_TAGS
from earmark.annotate.parsing.json import JsonValue, LenientJsonReader

MAX_LABEL_WORDS = 3

MIN_LABEL_SHARE = 0.8
"""Of the items, that must look like labels for a text to be a list of them."""

EMPTY_TAGS = frozenset({"none", "n-a", "na", "unknown", "null", "undefined"})
"""Tags that say that there is no label."""

_LIST_NAMES = frozenset({"tags", "labels", "keywords", "tag", "list", "answer", "output"})

_ASPECT_NAMES = frozenset(
    {"scene", "scenes", "environment", "setting", "source", "sources", "sound", "sounds", "kinds"}
    | {"types", "event", "events", "traits", "recording", "production", "function", "intent"}
    | {"audio", "quality", "genre", "mood", "instruments", "purpose", "semantic", "acoustic"}
)

_CONNECTING_WORDS = frozenset({"of", "and", "the", "or", "kind", "type", "aspect", "aspects", ""})

_SENTENCE_WORDS = frozenset(
    {"i", "you", "he", "she", "it", "we", "they", "this", "that", "there", "i'm", "it's", "can"}
    | {"can't", "cannot", "don't", "sorry", "is", "are", "was", "were", "be", "has", "have", "had"}
    | {"do", "does", "did", "could", "will", "would", "should", "may", "might", "please", "unable"}
    | {"because", "while", "which", "who", "whom", "whose", "if", "then", "than", "unfortunately"}
    | {"however", "but", "not", "based"}
)

_BULLET = re.compile(r"\s*(?:[*+•‣·–-]|\(?\d{1,2}[.)])\s+")

_EXPLANATION = re.compile(r"[:：(]|\s[–—-]\s")

_SEPARATOR = re.compile(r"[,;|、，；•]|\s/\s")

_HASHTAG = re.compile(r"#[^\s#,;]+")

_LEADING_AND = re.compile(r"(?:and|&)\s+", re.IGNORECASE)

_WORD = re.compile(r"[^\s,;:.!?*\"“”`]+")

_MARKUP = " *_\"'“”`\t"


class BareList(NamedTuple):
    """The items of a plain list; `prose`: whether other words stood around or behind them."""

    items: Sequence[str]
    prose: bool


def parse_bare_list(text: str) -> BareList | None:
    """Return the items of a plain list, or None where the text is not clearly one."""
    hashtags = _HASHTAG.findall(text)
    if len(hashtags) * 2 > len(text.split()):
        return BareList(hashtags, prose=len(hashtags) < len(text.split()))
    lines = [line for line in text.splitlines() if line.strip(_MARKUP)]
    bullets = [line for line in lines if _BULLET.match(line)]
    if len(bullets) > 1:
        parts = [_parse_bullet(line) for line in bullets]
        prose = len(bullets) < len(lines) or any(part.prose for part in parts)
    else:
        parts = [_parse_line(line) for line in lines]
        prose = any(part.prose for part in parts)
    items = [item for part in parts for item in part.items]
    labels = sum(looks_like_label(item) for item in items)
    if labels > 1 and labels >= MIN_LABEL_SHARE * len(items):
        return BareList(items, prose)
    return None


def looks_like_label(item: str) -> bool:
    """Whether this can be a label: a few words, and none that only sentences have."""
    words = _WORD.findall(item.lower().replace("’", "'"))
    return 0 < len(words) <= MAX_LABEL_WORDS and not any(word in _SENTENCE_WORDS for word in words)


def is_list_heading(heading: str) -> bool:
    """Whether this is a heading before tags: "Tags", "Sound sources", "Here are the labels"."""
    words = re.split(r"[\s/&,_-]+", heading.lower().strip(_MARKUP + "#>"))
    if words[-1] in _LIST_NAMES:
        return True
    named = [word for word in words if word not in _CONNECTING_WORDS]
    return bool(named) and all(word in _ASPECT_NAMES for word in named)


def _parse_bullet(line: str) -> BareList:
    """Return a bullet's label without its explanation, or the labels of the aspect it names."""
    rest = _BULLET.sub("", line, count=1)
    heading, colon, _ = rest.replace("：", ":").partition(":")
    if colon and is_list_heading(heading):
        return _parse_line(rest)
    label, *explained = _EXPLANATION.split(rest.strip(), maxsplit=1)
    return BareList(_split_labels(label), prose=bool(explained and explained[0].strip(_MARKUP)))


def _parse_line(line: str) -> BareList:
    heading, colon, rest = line.replace("：", ":").partition(":")
    if colon and is_list_heading(heading):
        return BareList(_split_labels(rest), prose=True)
    return BareList(_split_labels(line), prose=False)


def _split_labels(text: str) -> list[str]:
    items = (_LEADING_AND.sub("", item.strip(_MARKUP)) for item in _SEPARATOR.split(text))
    return [item for item in items if item]


TAG_PARSER_VERSION = 1
"""Raised when a rule changes: tags read by another version may differ."""

TAG_REPAIRS = (
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

MAX_TAG_WORDS = 3

MAX_TAG_CHARACTERS = 40  # characters


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
    labels: Sequence[JsonValue] | None = _parse_strict(text)
    if labels is None:
        labels = _parse_lenient(text, repairs)
    if labels is None:
        return None
    tags = tuple(dict.fromkeys(_normalize_labels(labels, repairs)))
    if not tags:
        return None
    if len(tags) > MAX_TAGS:
        repairs.add("too many")
    return ParsedTags(tags[:MAX_TAGS], tuple(name for name in TAG_REPAIRS if name in repairs))


def _parse_strict(text: str) -> list[str] | None:
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

_IGNORED_AROUND = " \n\t.;,`*"

_MAX_OPENINGS = 20  # brackets at which a list is looked for: a loop of them is none

_REFUSAL_START = re.compile(
    r"\W*(?:i'm sorry|i am sorry|sorry|i apologi[sz]e|unfortunately|as an ai|i cannot|i can't"
    r"|i'm unable|i am unable|i do not|i don't)\b",
    re.IGNORECASE,
)


def _parse_lenient(text: str, repairs: set[str]) -> Sequence[JsonValue] | None:
    """Return the labels of the first list in the answer, and note what was around it."""
    body = _strip_thinking(text, repairs)
    bare = _TEMPLATE.sub(" ", body).strip()
    if len(bare) < len(body.strip()):
        repairs.add("prose")
    if fence := _FENCE.search(bare):
        outside = bare[: fence.start()] + bare[fence.end() :]
        labels = _find_labels(fence[1], repairs)
        if labels is not None:
            repairs.update({"fence", "prose"} if outside.strip() else {"fence"})
            return labels
    return _find_labels(bare, repairs)


def _strip_thinking(text: str, repairs: set[str]) -> str:
    thought = _THINKING.match(text)
    if thought is None and _OPEN_THINKING.match(text) is None:
        return text
    repairs.add("thinking")
    return text[thought.end() :] if thought else ""


def _find_labels(text: str, repairs: set[str]) -> Sequence[JsonValue] | None:
    """Return the labels of the first list in `text`, JSON of any kind or a plain one."""
    text = text.strip()
    if text.startswith('"') and '\\"' in text and (inner := _unwrap_string(text)) is not None:
        repairs.add("nested")
        text = inner
    if not _OPENING.search(text):
        return _plain_labels(text, repairs)
    for start in [found.start() for found in islice(_OPENING.finditer(text), _MAX_OPENINGS)]:
        if found := _parse_list_at(text, start):
            repairs |= found.notes
            return found.labels
    return None


def _plain_labels(text: str, repairs: set[str]) -> Sequence[str] | None:
    if _REFUSAL_START.match(text.replace("’", "'")) or (found := parse_bare_list(text)) is None:
        return None
    repairs.update({"bare list", "prose"} if found.prose else {"bare list"})
    return found.items


class _ListMatch(NamedTuple):
    labels: list[JsonValue]
    notes: set[str]


def _parse_list_at(text: str, start: int) -> _ListMatch | None:
    """Read the list that begins at `start`, and those that follow it under headings of aspects."""
    labels: list[JsonValue] = []
    notes: set[str] = set()
    first = start
    while True:
        reader = LenientJsonReader(text, start)
        labels.extend(_flatten(reader.read(), notes))
        notes |= reader.repairs
        end = reader.position
        following = _OPENING.search(text, end)
        if following is None or not _continues_list(text[end : following.start()]):
            break
        notes.add("object")
        start = following.start()
    around = (text[:first] + text[end:]).strip(_IGNORED_AROUND)
    if not any(isinstance(label, str) for label in labels) or not _is_list(labels, notes, around):
        return None
    return _ListMatch(labels, notes | {"prose"} if around else notes)


def _continues_list(between: str) -> bool:
    """Whether what stands between two lists is the heading of the second, such as "Sources:"."""
    heading = between.strip(" \n\t,;*_")
    return heading.endswith(":") and is_list_heading(heading[:-1])


def _is_list(labels: list[JsonValue], notes: set[str], around: str) -> bool:
    """Whether words without quotes are tags: not in the brackets of a sentence, "[inaudible]"."""
    if "bare list" not in notes:
        return True
    words = [label for label in labels if isinstance(label, str)]
    return all(map(looks_like_label, words)) and (len(words) > 1 or not around)


def _unwrap_string(text: str) -> str | None:
    """Return what a JSON string holds, for lists that were encoded twice."""
    try:
        return msgspec.json.decode(text, type=str)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


_TAG_KEYS = ("tags", "tag", "labels", "label", "keywords", "audio_tags")


def _flatten(value: JsonValue, notes: set[str], depth: int = 0) -> Iterator[JsonValue]:
    """Yield the labels of a list, however deep; of an object, its tags or all its aspects'."""
    if isinstance(value, list):
        if depth:
            notes.add("nested")
        for item in value:
            yield from _flatten(item, notes, depth + 1)
    elif isinstance(value, dict):
        notes.add("object")
        for inner in _object_labels(value):
            # The lists of an object's aspects are not lists within a list.
            yield from _flatten(inner, notes, 0)
    elif isinstance(value, str) and depth == 0 and "," in value:
        notes.add("bare list")
        yield from value.split(",")
    else:
        yield value


def _object_labels(members: dict[str, JsonValue]) -> Iterable[JsonValue]:
    """Return what of an object are tags: its "tags", or all values, or keys with numbers."""
    named = [value for key, value in members.items() if key.lower() in _TAG_KEYS]
    if named:
        return named
    if all(isinstance(value, bool | float) for value in members.values()):
        return [key for key, value in members.items() if value is not False]
    return members.values()


# --- tags ---

_CLEAN_TAG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+){0,2}")

_POSSESSIVE = re.compile(r"(?<=\w)['’]s\b")

_WORD_BOUNDARY = re.compile(r"[\s_-]+")

_NON_WORD = re.compile(r"[\W_]+")


def _normalize_labels(labels: Iterable[JsonValue], repairs: set[str]) -> Iterator[str]:
    """Yield each tag once, and note what became of the rest."""
    seen: set[str] = set()
    for label in labels:
        tag = _normalize_label(label, repairs)
        if tag in seen:
            repairs.add("duplicate")
        elif tag:
            seen.add(tag)
            yield tag


def _normalize_label(label: JsonValue, repairs: set[str]) -> str:
    """Return a label as a tag, "" where it is none."""
    if not isinstance(label, str) or not any(map(str.isalpha, label)):
        repairs.add("not text")
        return ""
    if len(label) <= MAX_TAG_CHARACTERS and _CLEAN_TAG.fullmatch(label) and label not in EMPTY_TAGS:
        return label
    lower = unicodedata.normalize("NFKC", label).lower()
    if lower != label:
        repairs.add("case")
    parts = _WORD_BOUNDARY.split(_POSSESSIVE.sub("", lower))
    tag = "-".join(word for part in parts if (word := _NON_WORD.sub("-", part).strip("-")))
    if not tag or tag in EMPTY_TAGS:
        repairs.add("not text")
        return ""
    if tag.count("-") >= MAX_TAG_WORDS or len(tag) > MAX_TAG_CHARACTERS:
        repairs.add("phrase")
        return ""
    if len(lower.split()) > 1:
        repairs.add("several words")
    if "-".join(lower.split()) != tag:
        repairs.add("punctuation")
    return tag
