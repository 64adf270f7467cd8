"""How a tag is written, not which words it has: Unicode, case, separators, punctuation.

Each function takes a tag and returns it as its step leaves it. None needs the corpus.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 60
"""Characters of the longest tag; longer ones are sentences that a tagger left in its list."""

_PLAIN = re.compile(r"[a-z]+(?:-[a-z]+)*")
_SEPARATORS = re.compile(r"[\s_-]+")
_REMOVED = re.compile(r'[()\[\]{}<>",;*|\\]+')
_ENDS = " -_.:!?'`~"
_NOTE = re.compile(r"(?:.*[-_ ])?[a-g]#")
_QUOTES = dict.fromkeys("‘’‚‛′´ʼʹ＇", "'") | dict.fromkeys("“”„‟″«»＂", '"')


def is_plain(tag: str) -> bool:
    """Tell whether a tag is lower-case ASCII words and hyphens: no surface step changes it."""
    return _PLAIN.fullmatch(tag) is not None


def drop_reason(tag: str, *, as_written: bool = False, joins_lines: bool = False) -> str:
    """Return why a tag cannot be a class, in fixed words, or "" where it can.

    Of tags that are counted `as_written`, those without letters ("4/4", "808") can be one: then
    little is judged that the paper does not judge. A line break cannot be in a list of labels, one
    a line; where a later step `joins_lines`, it is no reason.
    """
    if len(tag) > LONGEST:
        return "too long"
    if not (joins_lines or tag.isprintable()) and tag.strip() and tag.splitlines() != [tag]:
        return "line break"
    if tag[:1].isalpha() or any(character.isalpha() for character in tag):
        return ""
    if not tag.strip():
        return "empty"
    if all(_is_control(character) for character in tag):
        return "control characters"
    return "" if as_written else "no letters"


def fold_unicode(tag: str) -> str:
    """Return a tag in NFKC (Unicode annex 15), with plain quotes and dashes, nothing invisible."""
    if tag.isascii() and tag.isprintable():
        return tag
    # NFKC takes an acute accent that stands for a quote apart, and makes new dashes of others.
    return _visible(unicodedata.normalize("NFKC", _visible(tag)))


def fold_case(tag: str) -> str:
    """Return a tag without case (Unicode's full case folding), in NFC."""
    folded = tag.casefold()
    return folded if folded.isascii() else unicodedata.normalize("NFC", folded)


def fold_separators(tag: str) -> str:
    """Return a tag whose words are joined by single hyphens."""
    return _SEPARATORS.sub("-", tag).strip("-")


def fold_punctuation(tag: str) -> str:
    """Return a tag without brackets, commas and double quotes, and without marks at its ends.

    Marks inside a word stay ("rock-'n'-roll", "r&b", "4/4"), and the sharp of a note ("f#").
    """
    bare = _REMOVED.sub("", tag).strip(_ENDS).lstrip("#").strip(_ENDS)
    return bare if _NOTE.fullmatch(bare) else bare.rstrip("#" + _ENDS)


def _visible(tag: str) -> str:
    return "".join(map(_plain_character, tag))


def _plain_character(character: str) -> str:
    if character in _QUOTES:
        return _QUOTES[character]
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    if category == "Pd" or character == "\N{MINUS SIGN}":
        return "-"
    return "" if category in ("Cc", "Cf") else character


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf")
