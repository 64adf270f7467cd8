"""Tags of a corpus to the Unified Tag System: score, select, lock.

The score is that of the paper, section 3.2: s(t) = df(t) * ln((N + 1) / (df(t) + 1)), with df the
number of captions that hold t, and N the number of captions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import msgspec

from earmark.config import Config, ConfigError, fingerprint
from earmark.records import TagSet
from earmark.workspace import write_text

FORMAT = "earmark vocabulary 1"
SCORE_DECIMALS = 6
"""Scores are rounded before they are compared, so that no libm's last bit decides an order."""


class VocabularyConfig(Config, frozen=True, kw_only=True):
    """Which tags of a corpus become classes.

    Args:
        size: at most so many tags; the paper tries 800 to 3000.
        min_df: a tag must be held by at least so many captions. One that was seen a single time
            cannot be both learned and measured, hence 2.
    """

    size: int = 1000
    min_df: int = 2


class VocabularyEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tag of the vocabulary; `rank` counts from 1, the tag's class id is `rank` - 1."""

    rank: int
    tag: str
    df: int
    score: float


class _LockFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str
    fingerprint: str
    captions: int
    settings: VocabularyConfig
    entries: tuple[VocabularyEntry, ...]


@dataclass(frozen=True)
class Vocabulary:
    """A frozen list of tags, best first, and how they were chosen.

    Args:
        entries: ranks 1, 2, ... in order.
        captions: the number of captions that were counted (N).
        settings: what the selection was asked for.
    """

    entries: tuple[VocabularyEntry, ...]
    captions: int
    settings: VocabularyConfig

    def __len__(self) -> int:
        return len(self.entries)

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The tags; a tag's position is its class id."""
        return tuple(entry.tag for entry in self.entries)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """The class id of each tag."""
        return {tag: position for position, tag in enumerate(self.tags)}

    @cached_property
    def fingerprint(self) -> str:
        """12 hex digits over everything the lock file says."""
        return fingerprint(FORMAT, self.captions, self.settings, self.entries)

    def encode(self, tags: Iterable[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Return those of `tags` that are in the vocabulary, each once, in order; and their ids."""
        kept = tuple(tag for tag in dict.fromkeys(tags) if tag in self.index)
        return kept, tuple(self.index[tag] for tag in kept)

    def save(self, path: Path) -> None:
        """Write the lock file: JSON, one entry a line, so that two of them can be compared."""
        header = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "captions": self.captions,
            "settings": self.settings,
        }
        lines = [f'  "{key}": {_json(value)},' for key, value in header.items()]
        entries = ",\n".join(f"    {_json(entry)}" for entry in self.entries)
        write_text(path, "\n".join(["{", *lines, '  "entries": [', entries, "  ]", "}"]) + "\n")

    @staticmethod
    def load(path: Path) -> Vocabulary:
        """Read a lock file.

        Raises:
            ConfigError: there is none, it is of another format, or it was edited; the message
                says where it contradicts itself.
        """
        try:
            lock = msgspec.json.decode(path.read_bytes(), type=_LockFile)
        except FileNotFoundError:
            raise ConfigError(f"no vocabulary at {path}; make one: earmark vocabulary") from None
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
        except msgspec.DecodeError as error:
            raise ConfigError(f"{path} is not a vocabulary lock file: {error}") from None
        _check(lock, path)
        return Vocabulary(lock.entries, lock.captions, lock.settings)


def score(df: int, captions: int) -> float:
    """Return s(t) of a tag in `df` of `captions` captions: 0 for a tag that all captions hold."""
    return round(df * math.log((captions + 1) / (df + 1)), SCORE_DECIMALS)


def build_vocabulary(tag_sets: Iterable[Sequence[str]], config: VocabularyConfig) -> Vocabulary:
    """Count the tags of all captions and keep the best; equal scores go by the alphabet.

    A tag counts once a caption. The order of captions, and of tags in them, has no influence, and
    a smaller vocabulary is the beginning of a larger one.

    Raises:
        ConfigError: a setting is out of range, or no tag is frequent enough.
    """
    return _select(*_count(tag_sets), config)


def write_vocabulary(
    tag_sets: Sequence[TagSet], config: VocabularyConfig, folder: Path
) -> dict[str, int]:
    """Write vocabulary.json into `folder`; returns counts of distinct tags, in and out."""
    frequencies, captions = _count(row.tags for row in tag_sets)
    vocabulary = _select(frequencies, captions, config)
    vocabulary.save(folder / "vocabulary.json")
    rare = sum(df < config.min_df for df in frequencies.values())
    beyond = len(frequencies) - rare - len(vocabulary)
    reasons = {"vocabulary: too rare": rare, "vocabulary: beyond size": beyond}
    counts = {"in": len(frequencies), "out": len(vocabulary)}
    return counts | {reason: count for reason, count in reasons.items() if count}


def _count(tag_sets: Iterable[Sequence[str]]) -> tuple[Counter[str], int]:
    """Return in how many captions each tag is, and how many captions there are."""
    frequencies: Counter[str] = Counter()
    captions = 0
    for tags in tag_sets:
        frequencies.update(set(tags))
        captions += 1
    return frequencies, captions


def _select(frequencies: Counter[str], captions: int, config: VocabularyConfig) -> Vocabulary:
    for name, value in (("size", config.size), ("min_df", config.min_df)):
        if value < 1:
            raise ConfigError(f"vocabulary: {name} = {value}, but must be at least 1")
    scored = [(-score(df, captions), tag) for tag, df in frequencies.items() if df >= config.min_df]
    if not scored:
        raise ConfigError(
            f"vocabulary: none of {len(frequencies)} tags is in min_df = {config.min_df} of "
            f"{captions} captions. Give more clips or a lower min_df."
        )
    entries = tuple(
        VocabularyEntry(rank=rank, tag=tag, df=frequencies[tag], score=-negative)
        for rank, (negative, tag) in enumerate(sorted(scored)[: config.size], start=1)
    )
    return Vocabulary(entries, captions, config)


def _check(lock: _LockFile, path: Path) -> None:
    """Refuse a lock file that does not agree with itself, naming the first place."""
    if lock.format != FORMAT:
        _refuse(path, f"its format is {lock.format!r}, this version reads {FORMAT!r}")
    seen: set[str] = set()
    for position, entry in enumerate(lock.entries, start=1):
        if entry.rank != position:
            _refuse(path, f"entry {position} ({entry.tag!r}) has rank {entry.rank}")
        if entry.tag in seen:
            _refuse(path, f"{entry.tag!r} is there twice")
        if not 1 <= entry.df <= lock.captions:
            _refuse(
                path, f"{entry.tag!r} has df {entry.df}, but there are {lock.captions} captions"
            )
        if abs(entry.score - score(entry.df, lock.captions)) > 2 * 10**-SCORE_DECIMALS:
            _refuse(path, f"{entry.tag!r} has score {entry.score}, which its df does not give")
        seen.add(entry.tag)
    found = Vocabulary(lock.entries, lock.captions, lock.settings).fingerprint
    if found != lock.fingerprint:
        _refuse(path, f"its content has the fingerprint {found}, its header {lock.fingerprint}")


def _refuse(path: Path, why: str) -> NoReturn:
    raise ConfigError(
        f"{path} was edited or damaged: {why}. A vocabulary is frozen, because models are trained "
        "on its ids: restore the file, or make another with the vocabulary stage."
    )


def _json(value: object) -> str:
    """Return JSON on one line, with a space after each comma and colon."""
    return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
