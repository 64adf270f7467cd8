"""What people's decisions on tags come to, once their names are normalised: no contradictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from earmark.config import ConfigError


@dataclass(frozen=True)
class Saying:
    """One decision: `tag` is banned, kept, or counted as `into`. `place` is where it is said."""

    kind: Literal["ban", "keep", "merge", "rename"]
    tag: str
    place: str
    into: str = ""


@dataclass(frozen=True)
class Verdicts:
    """What becomes of tags: `moved` leads each tag to where all its merges and renames end.

    `spellings` lead to these tags from names that people decided on, as they are folded without a
    corpus: where a corpus joins "hip-hop" to "hiphop", both are decided.
    """

    moved: Mapping[str, str] = field(default_factory=dict[str, str])
    ban: frozenset[str] = frozenset()
    keep: tuple[str, ...] = ()
    sayings: tuple[Saying, ...] = ()
    spellings: Mapping[str, str] = field(default_factory=dict[str, str])

    def moved_by(self, kind: Literal["merge", "rename"]) -> dict[str, str]:
        """Return those of `moved` that a merge, or a rename, sends on its way, sorted by tag."""
        tags = sorted({saying.tag for saying in self.sayings if saying.kind == kind})
        return {tag: self.moved[tag] for tag in tags if tag in self.moved}


def settle(sayings: Iterable[Saying]) -> Verdicts:
    """Follow every merge and rename to its end. Saying a thing twice is no contradiction.

    Raises:
        ConfigError: two decisions contradict each other; the message names both places.
    """
    said = tuple(sayings)
    ban, keep, moves = _by_tag(said, "ban"), _by_tag(said, "keep"), _moves(said)
    for tag, saying in ban.items():
        if other := keep.get(tag):
            _refuse(saying, other, f"{tag!r} is banned and kept")
        if other := moves.get(tag):
            _refuse(saying, other, f"{tag!r} is banned and counted as {other.into!r}")
    for tag, saying in keep.items():
        if other := moves.get(tag):
            _refuse(
                saying,
                other,
                f"{tag!r} is kept and counted as {other.into!r}; keep that instead",
            )
    moved = {tag: _end(tag, moves) for tag in moves}
    for tag, end in moved.items():
        if other := ban.get(end):
            _refuse(moves[tag], other, f"{tag!r} is counted as {end!r}, which is banned")
    return Verdicts(moved, frozenset(ban), tuple(sorted(keep)), said)


def _by_tag(sayings: Iterable[Saying], kind: str) -> dict[str, Saying]:
    return {saying.tag: saying for saying in sayings if saying.kind == kind}


def _moves(sayings: Iterable[Saying]) -> dict[str, Saying]:
    """Return merges and renames by tag; one that leads to its own tag is done already."""
    moves: dict[str, Saying] = {}
    for saying in sayings:
        if saying.kind in ("ban", "keep") or saying.tag == saying.into:
            continue
        other = moves.setdefault(saying.tag, saying)
        if other.into != saying.into:
            _refuse(
                other,
                saying,
                f"{saying.tag!r} is counted as {other.into!r} and as {saying.into!r}",
            )
    return moves


def _end(tag: str, moves: Mapping[str, Saying]) -> str:
    passed = [tag]
    while (saying := moves.get(passed[-1])) is not None:
        if saying.into in passed:
            chain = " -> ".join([*passed, saying.into])
            _refuse(moves[saying.into], saying, f"merges go round in a circle, {chain}")
        passed.append(saying.into)
    return passed[-1]


def _refuse(one: Saying, other: Saying, what: str) -> None:
    raise ConfigError(f"{what}: see {one.place} and {other.place}. Take one of them out.")
