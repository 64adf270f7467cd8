"""How AudioSet's class names are said in a sentence, and which of them are not said."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from functools import lru_cache
from importlib import resources

import msgspec

_PLAIN = re.compile(
    r"(ing|music|noise|opera|jazz|blues|funk|reggae|disco|techno|dubstep|electronica|ska|grunge"
    r"|flamenco|metal|rock|roll)$"
)
_FAMILIES = (
    (0, "human"), (67, "animal"), (132, "musical"), (277, "natural"), (294, "vehicle"),
    (348, "household"), (382, "alarm"), (398, "mechanical"), (420, "explosive"), (430, "impact"),
    (438, "water"), (453, "impact"), (475, "signal"), (478, "impact"), (490, "other"),
)  # fmt: skip
_STARTS = tuple(start for start, _ in _FAMILIES)


class ClassNames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of classes.toml: what is not said, said last, said bare, said otherwise."""

    unsaid: frozenset[str]
    broad: frozenset[str]
    uncounted: frozenset[str]
    phrases: dict[str, str]


@lru_cache(maxsize=1)
def class_names() -> ClassNames:
    """Read classes.toml from the package."""
    text = resources.files(__package__ or "").joinpath("classes.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), ClassNames)


def phrase(name: str) -> str:
    """Return a class name as a noun phrase: "Fixed-wing aircraft, airplane" -> "an airplane".

    A name that the table does not have is lowered, cut at its first comma or bracket, and given an
    article unless it ends like a word that takes none ("barking", "music").
    """
    table = class_names()
    if name in table.phrases:
        return table.phrases[name]
    plain = re.split(r", | \(", name)[0].lower()
    if name in table.uncounted or _PLAIN.search(plain):
        return plain
    return f"{'an' if plain[0] in 'aeiou' else 'a'} {plain}"


def family(index: int) -> str:
    """Return the branch of the ontology that a class is in, by its place in AudioSet's order."""
    return _FAMILIES[bisect_right(_STARTS, index) - 1][1]
