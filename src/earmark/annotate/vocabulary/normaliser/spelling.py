"""British spelling to American, by vetted words and by endings that are safe.

`spelling.toml` says which. A word that neither names is left alone: "advertise", "four", "hour",
"noise" and "metre" (a musical one is no meter) stay as they are written.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class _Spelling:
    words: dict[str, str]
    unchanged: frozenset[str]
    our: re.Pattern[str]
    ise: re.Pattern[str]
    doubled: re.Pattern[str]


def american(tag: str) -> str:
    """Return a lower-case tag with every word in American spelling."""
    if tag.isalpha():
        return american_word(tag)
    return _WORDS.sub(lambda match: american_word(match.group()), tag)


def american_word(word: str) -> str:
    """Return one lower-case word in American spelling."""
    spelling = _spelling()
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
def _spelling() -> _Spelling:
    text = resources.files(__package__ or "").joinpath("spelling.toml").read_text("utf-8")
    table = tomllib.loads(text)
    words: dict[str, str] = dict(table["words"])
    words |= {f"{british}s": f"{american}s" for british, american in table["nouns"].items()}
    words |= table["nouns"]
    ise = table["ise"]
    before, after = "|".join(ise["before"].split()), "|".join(ise["after"].split())
    double_l = table["double_l"]
    stems, endings = "|".join(double_l["stems"].split()), "|".join(double_l["endings"].split())
    return _Spelling(
        words=words,
        unchanged=frozenset(table["unchanged"]["words"].split()),
        our=re.compile("|".join(table["our"]["stems"].split())),
        ise=re.compile(rf"^(\w\w*(?:{before})[yi])s({after})$"),
        doubled=re.compile(rf"^({stems})l({endings})$"),
    )
