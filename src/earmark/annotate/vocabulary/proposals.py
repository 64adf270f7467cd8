"""Which two names may mean the same: no opposites, no siblings, no name and a narrower one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from earmark.annotate.vocabulary.normalize.inflection import word_lemma

FILLERS = frozenset({"music", "sound", "sounding", "audio", "noise"})
"""Words that a name can do without: "jazz music" is jazz, but "acoustic guitar" is one guitar."""

_STEM = 4  # letters that two words of a family share at least, and more than half of the shorter
_PIECES = "er|at|it|ion|ing|ed|e|y|ic|al|ive|ant|ance|ent|ence|ity|ness|ous|full?|i|able|s"
_ENDING = re.compile(f"(?:{_PIECES})*")
_AGENT = re.compile(r"(.{3,}?)(\w?)(?:er|or|i(?:st|an)|man|est)s?")


@dataclass(frozen=True)
class _Apart:
    """`sides` of a word: (group, side) of opposites; `siblings`: the groups that it is in."""

    sides: dict[str, set[tuple[int, int]]]
    siblings: dict[str, set[int]]
    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...]
    words: frozenset[str]
    beginnings: tuple[tuple[str, str], ...]


def remainders(one: str, other: str) -> tuple[str, str]:
    """Return what two names do not share, word by word, and without fillers.

    What is shared says nothing of whether two names mean the same: "wide piano", "wide organ".
    """
    bases = [{word_lemma(word) for word in name.split("-")} for name in (one, other)]
    shared = bases[0] & bases[1]
    # "ambient music" and "ambient sounds" differ; "jazz music" and "jazz" do not.
    fillers = set[str]() if all((side - shared) & FILLERS for side in bases) else FILLERS
    left, right = (
        _without(name, shared | fillers if "-" in name else shared) for name in (one, other)
    )
    return left, right


def may_be_same(one: str, other: str) -> bool:
    """Tell whether nothing known of the words of two names keeps these apart."""
    left, right = remainders(one, other)
    if not left or not right:
        return not left and not right
    return not (
        _are_opposite(left.split("-"), right.split("-"))
        or _are_siblings(left.split("-"), right.split("-"))
        or _is_narrower(left, right)
        or _is_narrower(right, left)
    )


def are_family(one: str, other: str) -> bool:
    """Tell whether two words share a stem: "reverb", "reverberant" and "reverberation"."""
    shared = 0
    for here, there in zip(one, other, strict=False):
        if here != there:
            break
        shared += 1
    if shared < _STEM or 2 * shared <= min(len(one), len(other)):
        return False
    return all(_ENDING.fullmatch(word[shared:]) is not None for word in (one, other))


def _without(name: str, dropped: Set[str]) -> str:
    return "-".join(word for word in name.split("-") if word_lemma(word) not in dropped)


def _are_opposite(left: Iterable[str], right: Iterable[str]) -> bool:
    """Tell whether two lists of words hold an antonym pair, or one denies what the other has."""
    apart = _apart()
    here, there = _forms(left), _forms(right)
    if apart.words & (here ^ there):
        return True
    sides = [
        {side for word in words for side in apart.sides.get(word, ())} for words in (here, there)
    ]
    if any(a[0] == b[0] and a[1] != b[1] for a in sides[0] for b in sides[1]) and not (
        sides[0] & sides[1]
    ):
        return True
    return any(_denies(a, b) or _denies(b, a) for a in here for b in there)


def _denies(one: str, other: str) -> bool:
    apart = _apart()
    return (
        any(one == prefix + other for prefix in apart.prefixes)
        or any(one == other + suffix for suffix in apart.suffixes)
        or any(
            one.startswith(first) and other == second + one.removeprefix(first)
            for first, second in apart.beginnings
        )
    )


def _are_siblings(left: Iterable[str], right: Iterable[str]) -> bool:
    siblings = _apart().siblings
    here, there = (
        {word: siblings[word] for word in _forms(words) if word in siblings}
        for words in (left, right)
    )
    return any(a != b and groups & there[b] for a, groups in here.items() for b in there)


def _is_narrower(one: str, other: str) -> bool:
    """Tell whether `one` is a compound of `other`, a plural kept apart, or who or what does it."""
    if one in (other + "s", other + "es"):
        return True
    if len(one) - len(other) >= 3 and (one.startswith(other) or one.endswith(other)):
        rest = one.removeprefix(other).removesuffix(other)
        return _ENDING.fullmatch(rest) is None
    agent = _AGENT.fullmatch(one)
    return agent is not None and other.startswith(agent[1]) and len(other) - len(agent[1]) <= 4


def _forms(words: Iterable[str]) -> set[str]:
    return {form for word in words for form in (word, word_lemma(word))}


@lru_cache(maxsize=1)
def _apart() -> _Apart:
    text = resources.files(__package__ or "").joinpath("antonyms.toml").read_text("utf-8")
    table = tomllib.loads(text)
    sides: dict[str, set[tuple[int, int]]] = {}
    for group, lines in enumerate(table["opposites"]["groups"]):
        for side, line in enumerate(lines):
            for word in line.split():
                sides.setdefault(word, set()).add((group, side))
    siblings: dict[str, set[int]] = {}
    for group, line in enumerate(table["siblings"]["groups"]):
        for word in line.split():
            siblings.setdefault(word, set()).add(group)
    contraries = table["contraries"]
    beginnings = [tuple(pair.split()) for pair in contraries["beginnings"]]
    return _Apart(
        sides,
        siblings,
        tuple(contraries["prefixes"].split()),
        tuple(contraries["suffixes"].split()),
        frozenset(contraries["words"].split()),
        tuple((one, other) for pair in beginnings for one, other in (pair, pair[::-1])),
    )
