"""Words, sentences and quotations of written text.

For captions as language models write them, in any script. No dependency, no model: rules that know
numbers, initials and the common abbreviations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

WIDE_CHARACTERS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Kana and Chinese characters, which are written without spaces (a regex character range)."""

CHARACTERS_PER_WIDE_WORD = 2

_WIDE_CHARACTER = re.compile(f"[{WIDE_CHARACTERS}]")
_SPACED_WORD = re.compile(rf"[^\W_{WIDE_CHARACTERS}]+(?:['’.,\-][^\W_{WIDE_CHARACTERS}]+)*")

_QUOTED = re.compile(
    r'"[^"\n]{0,800}"|“[^”\n]{0,800}”|«[^»\n]{0,800}»|„[^“”\n]{0,800}[“”]'
    r"|「[^」\n]{0,400}」|『[^』\n]{0,400}』|‘(?:[^’\n]|’(?=\w)){0,800}’"
    r"|(?<!\w)'(?:[^'\n]|'(?=\w)){1,800}'(?!\w)"
)

# A full stop after one of these seldom ends a sentence.
_ABBREVIATIONS = frozenset(
    {"approx", "ca", "cf", "dr", "e.g", "eg", "feat", "fig", "ft", "i.e", "incl", "jr", "mr", "mrs"}
    | {"ms", "nr", "op", "prof", "sr", "st", "vol", "vs", "bzw", "d.h", "z.b"}
)
# These end a sentence where a new one begins, but not before a small letter or a number.
_AMBIGUOUS_ABBREVIATIONS = frozenset({"etc", "no", "al", "a.m", "p.m", "usw", "min", "max", "sec"})

_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]+[\"'”’»)\]*_]*\s+|[。！？]+[」』”’）]*\s*")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")


def count_words(text: str) -> int:
    """Return how many words `text` has; two kana or Chinese characters count as one."""
    wide = len(_WIDE_CHARACTER.findall(text))
    return len(_SPACED_WORD.findall(text)) + -(-wide // CHARACTERS_PER_WIDE_WORD)


def blank_quotations(text: str) -> str:
    """Return `text` with each quotation replaced by a pair of marks that holds nothing.

    A quotation ends in the line where it begins: an odd quotation mark costs a line at most.
    """
    return _QUOTED.sub('""', text)


def split_sentences(paragraph: str) -> list[str]:
    """Return the sentences of a paragraph, stripped, none of them empty.

    What is quoted within a sentence belongs to it, however many sentences it has itself.
    """
    return list(_iter_sentences(paragraph))


def _iter_sentences(paragraph: str) -> Iterator[str]:
    quoted = [match.span() for match in _QUOTED.finditer(paragraph)]
    start = 0
    for end in _SENTENCE_END.finditer(paragraph):
        while quoted and quoted[0][1] <= end.start():
            quoted.pop(0)
        if quoted and quoted[0][0] <= end.start() and end.end() < quoted[0][1]:
            continue
        if _ends_sentence(
            paragraph[start : end.start()], end.group(), paragraph[end.end() : end.end() + 3]
        ):
            yield paragraph[start : end.end()].strip()
            start = end.end()
    if rest := paragraph[start:].strip():
        yield rest


def _ends_sentence(before: str, mark: str, after: str) -> bool:
    """Whether the mark between `before` and `after` ends a sentence."""
    if mark[0] in "。！？":
        return True
    begins_small = after.lstrip("\"'“‘«([*_")[:1].islower()
    if mark.rstrip() != ".":
        return not begins_small
    words = before.rsplit(maxsplit=1)
    word = words[-1].lstrip("\"'“‘«([*_") if words else ""
    if word.lower() in _ABBREVIATIONS or (word.isupper() and _INITIALS.fullmatch(word)):
        return False
    if word.lower() in _AMBIGUOUS_ABBREVIATIONS:
        return not begins_small and not after[:1].isdigit()
    return True
