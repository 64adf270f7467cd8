"""The tables of an audit, as its folder holds them, and a summary of them in a few lines."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from earmark.records import Row
from earmark.tables import read_parquet

MatchKind = Literal["exact", "lemma", "semantic"]
"""How a tag and a label are held to be the same; each takes in the ones before it."""

NOTES_FILE = "notes.json"
"""Sentences on what could not be done, as a JSON list."""

AGREEMENT_FILE, COVERAGE_FILE, STATISTICS_FILE, TAGGERS_FILE, MAP_FILE = (
    f"{name}.parquet" for name in ("agreement", "coverage", "shape", "parsers", "map")
)

AUDIT_VERSION = 2
"""Raised whenever a table means something else than before."""

MAX_MAP_TAGS = 1500
"""Tags on the map, the most frequent: more cannot be told apart on a page."""


class Agreement(Row, frozen=True, kw_only=True):
    """Tags against people's labels of the same clips.

    `source` is "corpus" or a text source's name, `field` the label field. `group` says over what:
    "all", a domain, or one label (`kind`). `low` and `high` bound 95 % of bootstrap draws over
    recordings.

    `clips` carry `labels` labels; their tags name `named` classes of the field, counted by clip:
    two tags that name one class count once, and a tag that names none does not count. Precision
    is the share of named classes that are right: those of the labels, and those that a label says
    more than ("groovy bass" is bass). Recall is the share of labels that are named themselves. F1
    is the harmonic mean of the two, of which the first is thus the more lenient.
    """

    source: str
    field: str
    match: MatchKind
    kind: Literal["all", "domain", "label"]
    group: str
    clips: int
    labels: int
    named: int
    precision: float
    precision_low: float
    precision_high: float
    recall: float
    recall_low: float
    recall_high: float
    f1: float
    f1_low: float
    f1_high: float


class ListCoverage(Row, frozen=True, kw_only=True):
    """How many classes of a label list the vocabulary has a tag for, and which it has not."""

    name: str
    match: MatchKind
    classes: int
    covered: int
    missing: tuple[str, ...]


class TagStatistics(Row, frozen=True, kw_only=True):
    """The tags of one source at a glance; shares are from 0 to 1.

    `once` is the share of distinct tags that a single caption holds, `head` the share of all uses
    that the ten most frequent tags take, `redundant` the share of uses whose caption holds another
    tag of the same lemma or, with the extra, the same meaning. `speech`, `music` and `sound` are
    shares of captions.
    """

    source: str
    tagger: str
    captions: int
    untagged: int
    distinct: int
    uses: int
    tags_mean: float
    tags_low: float
    tags_high: float
    once: float
    head: float
    redundant: float
    speech: float
    music: float
    sound: float


class TaggerScore(Row, frozen=True, kw_only=True):
    """One tagger on the captions that both taggers of the study were given.

    Of `captions`, this tagger left `unreadable`; all other figures go over those that both read.
    `grounded` is the share of tags whose words (by lemma) stand in the caption. `same` is the mean
    Jaccard index of its tags (by lemma) with the other tagger's. Precision, recall and F1 are
    against people's tags of the same clip, by lemma and as in `Agreement`. NaN is what there is
    nothing to tell from.
    """

    source: str
    tagger: str
    captions: int
    unreadable: int
    tags_mean: float
    distinct: int
    grounded: float
    same: float
    precision: float
    recall: float
    f1: float
    f1_low: float
    f1_high: float


class MapPoint(Row, frozen=True, kw_only=True):
    """A tag or an AudioSet class in the plane: near is alike. `df` of a class is 0."""

    name: str
    kind: Literal["tag", "class"]
    x: float
    y: float
    df: int
    domain: str


def summarize_audit(folder: Path) -> str:
    """Return the main figures of a finished audit as plain text, a line each; its notes last."""
    parts = (_agreement_lines, _coverage_lines, _statistics_lines, _tagger_lines, _note_lines)
    return "\n".join(line for part in parts for line in part(folder))


def _agreement_lines(folder: Path) -> Iterator[str]:
    for row in read_parquet(folder / AGREEMENT_FILE, Agreement):
        if row.kind == "all":
            yield (
                f"{row.source}, {row.field} ({row.match}): precision {_rate(row.precision)}, "
                f"recall {_rate(row.recall)}, F1 {_rate(row.f1)} "
                f"[{_rate(row.f1_low)}, {_rate(row.f1_high)}] over {row.clips} clips"
            )


def _coverage_lines(folder: Path) -> Iterator[str]:
    for row in read_parquet(folder / COVERAGE_FILE, ListCoverage):
        yield f"{row.name} ({row.match}): {row.covered} of {row.classes} classes can be named"


def _statistics_lines(folder: Path) -> Iterator[str]:
    for row in read_parquet(folder / STATISTICS_FILE, TagStatistics):
        yield (
            f"{row.source}: {row.captions} captions, {row.untagged} without tags, "
            f"{row.tags_mean:.1f} tags each, {row.distinct} distinct, {row.once:.0%} of them once"
        )


def _tagger_lines(folder: Path) -> Iterator[str]:
    for row in read_parquet(folder / TAGGERS_FILE, TaggerScore):
        yield (
            f"{row.source}, {row.tagger}: {_rate(row.tags_mean, '.1f')} tags a caption, "
            f"{_rate(row.grounded, '.0%')} of them in it, F1 {_rate(row.f1)} against people, "
            f"{row.unreadable} of {row.captions} captions unreadable"
        )


def _note_lines(folder: Path) -> Iterator[str]:
    for note in msgspec.json.decode((folder / NOTES_FILE).read_bytes(), type=list[str]):
        yield f"Note: {note}"


def _rate(value: float, form: str = ".3f") -> str:
    """Return a figure, "-" where there is none."""
    return "-" if math.isnan(value) else format(value, form)
