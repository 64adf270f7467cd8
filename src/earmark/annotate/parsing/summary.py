"""The summary of a caption: its closing paragraph, extracted by rules (paper section 3.1).

A captioner ends its description, a few hundred words in paragraphs, with one that sums it up.
Contrastive and captioning objectives learn from that paragraph; tags come from the whole caption.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from earmark.annotate.parsing.text import count_words, split_sentences

SUMMARY_VERSION = 1
"""Raised when the rule changes: summaries made by another version may differ."""

MIN_SUMMARY_WORDS = 5
MAX_WHOLE_PARAGRAPH_WORDS = 60
LAST_SENTENCES = 2

_HEADING = re.compile(r"#{1,6}\s|(\*\*|__)[^*_]+\1:?\s*$|[^.!?。！？]{1,60}:\s*$")
_LIST_ITEM = re.compile(r"([*+•‣·–-]|\(?\d{1,2}[.)])\s+|\|")
_RULE = re.compile(r"[-*_=~\s]{3,}$")
_LINE_END = re.compile(r"[.!?…:。！？][\"'”’»)\]*_\\]*\s*$")

_LABEL_WORDS = (
    r"(?:(?:in|overall|final|brief|closing|audio|short)\s+)?"
    r"(?:summary|conclusion|synopsis|recap|tl;?dr)(?:\s+paragraph)?"
)
_LABEL = re.compile(
    rf"(?:{_LABEL_WORDS}|zusammenfassung|résumé|resumen|riassunto|resumo|总结|摘要|要約|まとめ|요약)"
    r"\s*(?:[:：]\s*|[-–—]\s+|$)",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?:in (?:summary|conclusion|short|sum|brief|essence)|to (?:summari[sz]e|sum up|conclude)"
    r"|all in all|zusammenfassend|en résumé|en resumen|in sintesi|em resumo)\b"
    r"|总之|总的来说|总体而言|综上|要約すると|まとめると|요약하",
    re.IGNORECASE,
)
_AFTERWORD = re.compile(
    r"[(\[]?(?:(?:please )?note\b|notes?:|n\.b\.|disclaimer\b|let me know\b|i hope\b"
    r"|if you (?:need|would|want|have|'d)\b|feel free\b|would you like\b|end of\b)",
    re.IGNORECASE,
)

_LINK = re.compile(r"!?\[([^\[\]\n]*)\]\([^)\s]*\)")
_BREAK = re.compile(r"<br\s*/?>|\\$", re.IGNORECASE | re.MULTILINE)
_STRONG = re.compile(r"(\*{1,3}|__|~~|`{1,3})(?=\S)(.{1,1000}?)(?<=\S)\1")
_LINE_PREFIX = re.compile(r"(?:#{1,6}\s+|>\s*)+")
_STRAY = re.compile(r"\*\*+|__+|(?<!\w)\*(?=\w)|(?<=[\w.!?,:])\*(?!\w)")


class _Block(NamedTuple):
    """A stretch of a caption, free of markup: "heading", "list" or "prose"."""

    kind: str
    text: str


def extract_summary(text: str) -> str:
    """Return a caption's closing summary paragraph, without markup or heading label.

    It is, in this order: the paragraph under a heading such as "Summary", or labelled so; the
    last paragraph that opens with words such as "In summary"; the last paragraph of at least five
    words that is no heading, list or afterword ("Note: ..."). Sentences of that paragraph before
    one that opens with "In summary" are left out. A caption of one paragraph is its own summary
    up to 60 words; of a longer one, the last two sentences are. Text that is nothing but markup
    is returned as it stands, so that only empty text gives "".
    """
    parts = _split_blocks(text)
    prose = [part.text for part in parts if part.kind == "prose"]
    if (labelled := _labeled_summary(parts)) is not None:
        return labelled
    body = [p for p in prose if not _AFTERWORD.match(p)] or prose
    body = [p for p in body if count_words(p) >= MIN_SUMMARY_WORDS] or body
    if not body:
        rest = " ".join(part.text for part in parts if part.text) or " ".join(text.split())
        return _shorten(rest)
    closing = [p for p in body[1:] if _CLOSING.match(p)]
    last = _from_closing_words((closing or body)[-1])
    return _shorten(last) if len(body) == 1 else last


def _labeled_summary(parts: Sequence[_Block]) -> str | None:
    """Return what stands under the last heading, or behind the last label, that says summary."""
    for position in range(len(parts) - 1, -1, -1):
        kind, text = parts[position]
        if (label := _LABEL.match(text)) is None:
            continue
        if behind := text[label.end() :].strip():
            return behind
        following = parts[position + 1 :]
        if kind == "heading" and following and following[0].kind == "prose":
            return following[0].text
        listed = _leading_texts(following, "list")
        if kind == "heading" and listed:
            return " ".join(listed)
    return None


def _leading_texts(parts: Sequence[_Block], kind: str) -> list[str]:
    """Return the texts of the first parts, as long as they are of that kind."""
    texts: list[str] = []
    for part in parts:
        if part.kind != kind:
            break
        texts.append(part.text)
    return texts


def _from_closing_words(paragraph: str) -> str:
    """Return the paragraph from the last sentence on that opens with "In summary" or the like."""
    parts = split_sentences(paragraph)
    for position in range(len(parts) - 1, 0, -1):
        if _CLOSING.match(parts[position]):
            return " ".join(parts[position:])
    return paragraph


def _shorten(paragraph: str) -> str:
    if count_words(paragraph) <= MAX_WHOLE_PARAGRAPH_WORDS:
        return paragraph
    return " ".join(split_sentences(paragraph)[-LAST_SENTENCES:])


def _split_blocks(text: str) -> list[_Block]:
    """Divide a caption at blank lines, headings, list items and rules; drop the markup."""
    parts: list[_Block] = []
    block: list[str] = []
    for line in [*text.splitlines(), ""]:
        bare = line.strip()
        kind = _line_kind(bare)
        if kind == "prose":
            block.append(bare)
            continue
        parts.extend(_Block("prose", paragraph) for paragraph in _join_paragraphs(block))
        block = []
        if kind in {"heading", "list"}:
            parts.append(_Block(kind, _strip_markdown(_LIST_ITEM.sub("", bare, count=1))))
    return [part for part in parts if part.text]


def _line_kind(line: str) -> str:
    if not line or _RULE.match(line):
        return "break"
    if _HEADING.match(line):
        return "heading"
    return "list" if _LIST_ITEM.match(line) else "prose"


def _join_paragraphs(lines: Sequence[str]) -> list[str]:
    """Join lines to paragraphs: one for each line where every line ends a sentence, else one.

    Captioners part paragraphs by one line break as well as by two; wrapped text breaks anywhere.
    """
    whole = all(_LINE_END.search(line) for line in lines[:-1])
    return [_strip_markdown(line) for line in (lines if whole else [" ".join(lines)])]


def _strip_markdown(text: str) -> str:
    """Return text without Markdown's signs and with single spaces."""
    text = (
        _LINE_PREFIX.sub("", _BREAK.sub(" ", text), count=1)
        if _LINE_PREFIX.match(text)
        else _BREAK.sub(" ", text)
    )
    text = _STRAY.sub("", _STRONG.sub(r"\2", _LINK.sub(r"\1", text)))
    return " ".join(text.split())
