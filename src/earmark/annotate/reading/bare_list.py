"""Tags written as a plain list: lines, bullets, hashtags, or commas.

What makes prose dangerous here is that a sentence has commas too. So a plain list is only read
where nearly all its items look like labels: few words, and none that only sentences have.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

MOST_LABEL_WORDS = 3
LEAST_LABEL_SHARE = 0.8
"""Of the items, that must look like labels for a text to be a list of them."""

NOTHING = frozenset({"none", "n-a", "na", "unknown", "null", "undefined"})
"""Tags that say that there is no label."""

_LIST_NAMES = frozenset({"tags", "labels", "keywords", "tag", "list", "answer", "output"})
_ASPECT_NAMES = frozenset(
    {"scene", "scenes", "environment", "setting", "source", "sources", "sound", "sounds", "kinds"}
    | {"types", "event", "events", "traits", "recording", "production", "function", "intent"}
    | {"audio", "quality", "genre", "mood", "instruments", "purpose", "semantic", "acoustic"}
)
_JOINING = frozenset({"of", "and", "the", "or", "kind", "type", "aspect", "aspects", ""})
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


def read_bare_list(text: str) -> BareList | None:
    """Return the items of a plain list, or None where the text is not clearly one."""
    hashtags = _HASHTAG.findall(text)
    if len(hashtags) * 2 > len(text.split()):
        return BareList(hashtags, prose=len(hashtags) < len(text.split()))
    lines = [line for line in text.splitlines() if line.strip(_MARKUP)]
    bullets = [line for line in lines if _BULLET.match(line)]
    if len(bullets) > 1:
        parts = [_read_bullet(line) for line in bullets]
        prose = len(bullets) < len(lines) or any(part.prose for part in parts)
    else:
        parts = [_read_line(line) for line in lines]
        prose = any(part.prose for part in parts)
    items = [item for part in parts for item in part.items]
    labels = sum(looks_like_label(item) for item in items)
    if labels > 1 and labels >= LEAST_LABEL_SHARE * len(items):
        return BareList(items, prose)
    return None


def looks_like_label(item: str) -> bool:
    """Whether this can be a label: a few words, and none that only sentences have."""
    words = _WORD.findall(item.lower().replace("’", "'"))
    return 0 < len(words) <= MOST_LABEL_WORDS and not any(word in _SENTENCE_WORDS for word in words)


def names_list(heading: str) -> bool:
    """Whether this is a heading before tags: "Tags", "Sound sources", "Here are the labels"."""
    words = re.split(r"[\s/&,_-]+", heading.lower().strip(_MARKUP + "#>"))
    if words[-1] in _LIST_NAMES:
        return True
    named = [word for word in words if word not in _JOINING]
    return bool(named) and all(word in _ASPECT_NAMES for word in named)


def _read_bullet(line: str) -> BareList:
    """Return a bullet's label without its explanation, or the labels of the aspect it names."""
    rest = _BULLET.sub("", line, count=1)
    heading, colon, _ = rest.replace("：", ":").partition(":")
    if colon and names_list(heading):
        return _read_line(rest)
    label, *explained = _EXPLANATION.split(rest.strip(), maxsplit=1)
    return BareList(_split(label), prose=bool(explained and explained[0].strip(_MARKUP)))


def _read_line(line: str) -> BareList:
    heading, colon, rest = line.replace("：", ":").partition(":")
    if colon and names_list(heading):
        return BareList(_split(rest), prose=True)
    return BareList(_split(line), prose=False)


def _split(text: str) -> list[str]:
    items = (_LEADING_AND.sub("", item.strip(_MARKUP)) for item in _SEPARATOR.split(text))
    return [item for item in items if item]
