"""People's decisions on tags: a TOML file that every rebuild reads, and what its decisions come
to.

Merges and renames are followed to the end of their chain; decisions that contradict each other are
an error that names both places.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from earmark.config import Config, ConfigError, decode_config


@dataclass(frozen=True)
class Decision:
    """One decision: `tag` is banned, kept, or counted as `into`. `place` is where it is said."""

    kind: Literal["ban", "keep", "merge", "rename"]
    tag: str
    place: str
    into: str = ""


@dataclass(frozen=True)
class ResolvedDecisions:
    """What becomes of tags: `moved` leads each tag to where all its merges and renames end.

    `spellings` lead to these tags from names that people decided on, as they are folded without a
    corpus: where a corpus joins "hip-hop" to "hiphop", both are decided.
    """

    moved: Mapping[str, str] = field(default_factory=dict[str, str])
    ban: frozenset[str] = frozenset()
    keep: tuple[str, ...] = ()
    sayings: tuple[Decision, ...] = ()
    spellings: Mapping[str, str] = field(default_factory=dict[str, str])

    def moved_by(self, kind: Literal["merge", "rename"]) -> dict[str, str]:
        """Return those of `moved` that a merge, or a rename, sends on its way, sorted by tag."""
        tags = sorted({saying.tag for saying in self.sayings if saying.kind == kind})
        return {tag: self.moved[tag] for tag in tags if tag in self.moved}


def resolve_decisions(sayings: Iterable[Decision]) -> ResolvedDecisions:
    """Follow every merge and rename to its end. Saying a thing twice is no contradiction.

    Raises:
        ConfigError: two decisions contradict each other; the message names both places.
    """
    said = tuple(sayings)
    ban, keep, moves = _decisions_by_tag(said, "ban"), _decisions_by_tag(said, "keep"), _moves(said)
    for tag, saying in ban.items():
        if other := keep.get(tag):
            _raise_conflict(saying, other, f"{tag!r} is banned and kept")
        if other := moves.get(tag):
            _raise_conflict(saying, other, f"{tag!r} is banned and counted as {other.into!r}")
    for tag, saying in keep.items():
        if other := moves.get(tag):
            _raise_conflict(
                saying,
                other,
                f"{tag!r} is kept and counted as {other.into!r}; keep that instead",
            )
    moved = {tag: _follow_moves(tag, moves) for tag in moves}
    for tag, end in moved.items():
        if other := ban.get(end):
            _raise_conflict(moves[tag], other, f"{tag!r} is counted as {end!r}, which is banned")
    return ResolvedDecisions(moved, frozenset(ban), tuple(sorted(keep)), said)


def _decisions_by_tag(sayings: Iterable[Decision], kind: str) -> dict[str, Decision]:
    return {saying.tag: saying for saying in sayings if saying.kind == kind}


def _moves(sayings: Iterable[Decision]) -> dict[str, Decision]:
    """Return merges and renames by tag; one that leads to its own tag is done already."""
    moves: dict[str, Decision] = {}
    for saying in sayings:
        if saying.kind in ("ban", "keep") or saying.tag == saying.into:
            continue
        other = moves.setdefault(saying.tag, saying)
        if other.into != saying.into:
            _raise_conflict(
                other,
                saying,
                f"{saying.tag!r} is counted as {other.into!r} and as {saying.into!r}",
            )
    return moves


def _follow_moves(tag: str, moves: Mapping[str, Decision]) -> str:
    passed = [tag]
    while (saying := moves.get(passed[-1])) is not None:
        if saying.into in passed:
            chain = " -> ".join([*passed, saying.into])
            _raise_conflict(moves[saying.into], saying, f"merges go round in a circle, {chain}")
        passed.append(saying.into)
    return passed[-1]


def _raise_conflict(one: Decision, other: Decision, what: str) -> None:
    raise ConfigError(f"{what}: see {one.place} and {other.place}. Take one of them out.")


class Proposal(Config, frozen=True, kw_only=True):
    """Two tags that may mean the same; a person accepts or rejects that `tag` is counted as `into`.

    Args:
        tag: the less frequent one.
        into: the more frequent one.
        similarity: cosine of their meanings, from -1 to 1.
        tag_df: in how many captions `tag` was when it was proposed.
        into_df: in how many captions `into` was.
        decision: "accept", "reject", or "" while nobody has decided.
    """

    tag: str
    into: str
    similarity: float = 0.0
    tag_df: int = 0
    into_df: int = 0
    decision: Literal["", "accept", "reject"] = ""


class DecisionsFile(Config, frozen=True, kw_only=True):
    """What a decisions file holds.

    Args:
        ban: tags that never become classes.
        keep: tags that always do, where a caption holds them.
        merge: {tag: the tag that it is counted as}, written by hand.
        rename: {tag: its new name}.
        proposal: pairs that were proposed, and what was decided of them.
    """

    ban: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    merge: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    rename: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    proposal: tuple[Proposal, ...] = ()


@dataclass(frozen=True)
class Decisions:
    """Decisions on tags, as people write them.

    `merge` and `rename` map a tag to the one it is counted as (a merge wants both to exist, a
    rename makes a new name), `rejected` are pairs, each sorted, that are not to be proposed again,
    `ban` never become classes, `keep` always do. Accepted proposals are merges; `accepted` says
    which merges are such.
    """

    merge: Mapping[str, str] = field(default_factory=dict[str, str])
    rename: Mapping[str, str] = field(default_factory=dict[str, str])
    ban: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    rejected: frozenset[tuple[str, str]] = frozenset()
    accepted: frozenset[str] = frozenset()

    def settled(self, normalize: Callable[[str], str]) -> ResolvedDecisions:
        """Return what they come to when names are compared as `normalize` returns them.

        Raises:
            ConfigError: two decisions contradict each other; the message names both places.
        """
        return resolve_decisions(
            Decision(saying.kind, normalize(saying.tag), saying.place, normalize(saying.into))
            for saying in self._sayings()
        )

    def names(self) -> frozenset[str]:
        """Return every name that is decided on or led to, as people write them."""
        return frozenset(
            name for saying in self._sayings() for name in (saying.tag, saying.into) if name
        )

    def _sayings(self) -> Iterator[Decision]:
        for tag in self.ban:
            yield Decision("ban", tag, f"ban ({tag!r})")
        for tag in self.keep:
            yield Decision("keep", tag, f"keep ({tag!r})")
        for tag, into in self.merge.items():
            section = "an accepted [[proposal]]" if tag in self.accepted else "[merge]"
            yield Decision("merge", tag, f"{section} ({tag!r} into {into!r})", into)
        for tag, into in self.rename.items():
            yield Decision("rename", tag, f"[rename] ({tag!r} to {into!r})", into)


def read_decisions(path: Path) -> Decisions:
    """Read a decisions file.

    Raises:
        ConfigError: there is none, or something in it contradicts itself; the message says what.
    """
    if not path.exists():
        raise ConfigError(f"no decisions at {path}; write one, or leave vocabulary.decisions empty")
    return build_decisions(parse_decisions(read_decisions_text(path), str(path)), str(path))


def read_decisions_text(path: Path) -> str:
    """Read the text of a decisions file.

    Raises:
        ConfigError: it cannot be read, or is no UTF-8.
    """
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as decisions: {error}") from None


def parse_decisions(text: str, where: str) -> DecisionsFile:
    """Return what the text of a decisions file says; `where` is its name in messages.

    Raises:
        ConfigError: it is no TOML, or has a key, a type or a word that is not valid there.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not valid TOML: {error}") from None
    return decode_config(table, DecisionsFile, where=where)


def build_decisions(file: DecisionsFile, where: str) -> Decisions:
    """Return the decisions of a file.

    Raises:
        ConfigError: something in it contradicts itself, or a name is empty.
    """
    accepted: dict[str, str] = {}
    for proposal in (proposal for proposal in file.proposal if proposal.decision == "accept"):
        if (other := accepted.setdefault(proposal.tag, proposal.into)) != proposal.into:
            raise ConfigError(
                f"{where}: two accepted [[proposal]] tables count {proposal.tag!r} as {other!r} "
                f"and as {proposal.into!r}. Reject one, or merge those two."
            )
    _check_pairs(file, accepted, where)
    decisions = Decisions(
        merge=accepted | file.merge,
        rename=file.rename,
        ban=file.ban,
        keep=file.keep,
        rejected=frozenset(
            _sorted_pair(p.tag, p.into) for p in file.proposal if p.decision == "reject"
        ),
        accepted=frozenset(accepted) - frozenset(file.merge),
    )
    try:
        verdicts = decisions.settled(str.strip)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    for saying in verdicts.sayings:
        if not saying.tag or (saying.kind in ("merge", "rename") and not saying.into):
            raise ConfigError(f"{where}: an empty name in {saying.place}. To drop a tag, ban it.")
    return decisions


def _check_pairs(file: DecisionsFile, accepted: Mapping[str, str], where: str) -> None:
    """Refuse a pair that is both merged and rejected, or merged by hand into something else."""
    for tag, into in accepted.items():
        if (by_hand := file.merge.get(tag, into)) != into:
            raise ConfigError(
                f"{where}: {tag!r} is counted as {by_hand!r} in [merge] and as {into!r} in an "
                "accepted [[proposal]]. Take one of them out."
            )
    merged = {_sorted_pair(*pair) for pair in (*accepted.items(), *file.merge.items())}
    for proposal in file.proposal:
        if proposal.decision == "reject" and _sorted_pair(proposal.tag, proposal.into) in merged:
            raise ConfigError(
                f"{where}: the [[proposal]] of {proposal.tag!r} into {proposal.into!r} is "
                "rejected, yet [merge] or another [[proposal]] merges the two. Take one out."
            )


def _sorted_pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)
