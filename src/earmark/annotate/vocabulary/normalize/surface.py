"""How a tag is written: Unicode, case, separators, punctuation, and American spelling.

Each function takes a tag and returns it as its step leaves it. None needs the corpus.
`change_words` applies a change of words to all tags that hold them, for a corpus has far fewer
words than tags.

British spelling becomes American by vetted words and by endings that are safe. `spelling.toml` says
which. A word that neither names is left alone: "advertise", "four", "hour", "noise" and "metre" (a
musical one is no meter) stay as they are written.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

MAX_TAG_LENGTH = 60
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
    if len(tag) > MAX_TAG_LENGTH:
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


def normalize_unicode(tag: str) -> str:
    """Return a tag in NFKC (Unicode annex 15), with plain quotes and dashes, nothing invisible."""
    if tag.isascii() and tag.isprintable():
        return tag
    # NFKC takes an acute accent that stands for a quote apart, and makes new dashes of others.
    return _drop_invisible(unicodedata.normalize("NFKC", _drop_invisible(tag)))


def fold_case(tag: str) -> str:
    """Return a tag without case (Unicode's full case folding), in NFC."""
    folded = tag.casefold()
    return folded if folded.isascii() else unicodedata.normalize("NFC", folded)


def normalize_separators(tag: str) -> str:
    """Return a tag whose words are joined by single hyphens."""
    return _SEPARATORS.sub("-", tag).strip("-")


def normalize_punctuation(tag: str) -> str:
    """Return a tag without brackets, commas and double quotes, and without marks at its ends.

    Marks inside a word stay ("rock-'n'-roll", "r&b", "4/4"), and the sharp of a note ("f#").
    """
    bare = _REMOVED.sub("", tag).strip(_ENDS).lstrip("#").strip(_ENDS)
    return bare if _NOTE.fullmatch(bare) else bare.rstrip("#" + _ENDS)


def _drop_invisible(tag: str) -> str:
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


def tag_words(tags: Collection[str]) -> set[str]:
    """Return the distinct words, between hyphens, of tags."""
    return set("-".join(tags).split("-"))


def change_words(
    tags: Collection[str], form: Callable[[str], str], words: Iterable[str] | None = None
) -> dict[str, str]:
    """Return {tag: tag with each word in that form} of those that differ.

    `words` are those that may have another form, where that can be told more cheaply than by
    asking for it; all words of the tags otherwise.
    """
    asked = tag_words(tags) if words is None else words
    changed = {word: new for word in asked if (new := form(word)) != word}
    if not changed:
        return {}
    untouched = changed.keys().isdisjoint
    return {
        tag: "-".join(changed.get(word, word) for word in words)
        for tag in tags
        if not untouched(words := tag.split("-"))
    }


_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class _SpellingTable:
    words: dict[str, str]
    unchanged: frozenset[str]
    our: re.Pattern[str]
    ise: re.Pattern[str]
    doubled: re.Pattern[str]


def to_american(tag: str) -> str:
    """Return a lower-case tag with every word in American spelling."""
    if tag.isalpha():
        return to_american_word(tag)
    return _WORDS.sub(lambda match: to_american_word(match.group()), tag)


def to_american_word(word: str) -> str:
    """Return one lower-case word in American spelling."""
    spelling = _load_spelling()
    if known := spelling.words.get(word):
        return known
    if word in spelling.unchanged or len(word) < 5:
        return word
    if "ou" in word:
        word = spelling.our.sub(_without_u, word)
    if "is" in word or "ys" in word:
        word = spelling.ise.sub(r"\1z\2", word)
    if "ll" in word:
        word = spelling.doubled.sub(r"\1\2", word)
    return word


def _without_u(match: re.Match[str]) -> str:
    return match.group().replace("ou", "o")


@lru_cache(maxsize=1)
def _load_spelling() -> _SpellingTable:
    text = resources.files(__package__ or "").joinpath("spelling.toml").read_text("utf-8")
    table = tomllib.loads(text)
    words: dict[str, str] = dict(table["words"])
    words |= {f"{british}s": f"{american}s" for british, american in table["nouns"].items()}
    words |= table["nouns"]
    ise = table["ise"]
    before, after = "|".join(ise["before"].split()), "|".join(ise["after"].split())
    double_l = table["double_l"]
    stems, endings = "|".join(double_l["stems"].split()), "|".join(double_l["endings"].split())
    return _SpellingTable(
        words=words,
        unchanged=frozenset(table["unchanged"]["words"].split()),
        our=re.compile("|".join(table["our"]["stems"].split())),
        ise=re.compile(rf"^(\w\w*(?:{before})[yi])s({after})$"),
        doubled=re.compile(rf"^({stems})l({endings})$"),
    )
