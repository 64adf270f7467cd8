"""The audit section: agreement with labels, coverage of label lists, statistics, the map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from earmark.annotate.audit.results import (
    AGREEMENT,
    COVERAGE,
    MAP,
    NOTES,
    PARSERS,
    SHAPE,
    Agreement,
    ListCoverage,
    MapPoint,
    Match,
    ParserScore,
    Shape,
)
from earmark.report.run import Finished
from earmark.tables import TOTALS

MATCHES: tuple[Match, ...] = ("exact", "lemma", "semantic")
"""Every way to match, each of which takes in the ones before it."""
LABELS_SHOWN = 10
LABELS_MATCH: Match = "lemma"
"""How labels are matched that are shown one by one: it needs no extra, so every audit has it."""


@dataclass(frozen=True)
class Compared:
    """The agreement with one label field of one source: over all clips, and by domain."""

    source: str
    field: str
    whole: tuple[Agreement, ...]
    domains: tuple[Agreement, ...]

    @property
    def name(self) -> str:
        """Return what the page calls it."""
        return f"{self.source} · {self.field}" if self.field else self.source


@dataclass(frozen=True)
class Extremes:
    """The labels of one field that the tags agree with least and best, by F1; worst and best first.

    The audit leaves out labels that few clips have.
    """

    name: str
    worst: tuple[Agreement, ...]
    best: tuple[Agreement, ...]


@dataclass(frozen=True)
class Part:
    """The classes of a list that one way to match adds to the ones before it."""

    match: Match
    covered: int
    added: int
    classes: int

    @property
    def share(self) -> float:
        """Return the share of the list that is covered with this way to match, from 0 to 1."""
        return self.covered / max(self.classes, 1)

    @property
    def width(self) -> float:
        """Return the share of the list that this way adds, from 0 to 1."""
        return self.added / max(self.classes, 1)


@dataclass(frozen=True)
class Covered:
    """How much of a label list the vocabulary covers; `missing` with the widest way to match."""

    name: str
    classes: int
    parts: tuple[Part, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Audit:
    """Everything the audit section shows; what was not asked for is empty.

    `given` counts the clips and captions that were to be compared, `lost` those that were not, by
    the reason.
    """

    compared: tuple[Compared, ...]
    extremes: tuple[Extremes, ...]
    covered: tuple[Covered, ...]
    shapes: tuple[Shape, ...]
    parsers: tuple[ParserScore, ...]
    points: tuple[MapPoint, ...]
    notes: tuple[str, ...]
    given: int
    lost: Mapping[str, int]


def read_audit(found: Finished) -> Audit | None:
    """Return the tables of the audit stage, or None where it has not finished."""
    if "audit" not in found:
        return None
    agreement = found.rows("audit", AGREEMENT, Agreement)
    notes = found.file("audit", NOTES)
    counts: dict[str, int] = found.provenance("audit")["counts"]
    return Audit(
        compared=compare(agreement),
        extremes=extremes(agreement),
        covered=stack(found.rows("audit", COVERAGE, ListCoverage)),
        shapes=tuple(found.rows("audit", SHAPE, Shape)),
        parsers=tuple(found.rows("audit", PARSERS, ParserScore)),
        points=tuple(found.rows("audit", MAP, MapPoint)),
        notes=msgspec.json.decode(notes.read_bytes(), type=tuple[str, ...]) if notes else (),
        given=counts["in"],
        lost={reason: n for reason, n in counts.items() if reason not in TOTALS},
    )


def compare(rows: Sequence[Agreement]) -> tuple[Compared, ...]:
    """Return the agreement of each field, in the order of the table."""
    return tuple(
        Compared(
            source,
            field,
            tuple(sorted((row for row in members if row.kind == "all"), key=_match)),
            tuple(sorted((row for row in members if row.kind == "domain"), key=_by_group)),
        )
        for (source, field), members in _by_field(rows).items()
    )


def extremes(rows: Sequence[Agreement]) -> tuple[Extremes, ...]:
    """Return the labels of each field that fare worst and best; no label stands in both."""
    wanted = [
        row
        for row in rows
        if row.kind == "label" and row.match == LABELS_MATCH and not math.isnan(row.f1)
    ]
    return tuple(
        _extremes(f"{source} · {field}" if field else source, members)
        for (source, field), members in _by_field(wanted).items()
    )


def stack(rows: Sequence[ListCoverage]) -> tuple[Covered, ...]:
    """Return the coverage of each list: what each way to match adds to the one before it."""
    by_name = dict[str, list[ListCoverage]]()
    for row in rows:
        by_name.setdefault(row.name, []).append(row)
    return tuple(_stacked(name, sorted(members, key=_match)) for name, members in by_name.items())


def _stacked(name: str, rows: Sequence[ListCoverage]) -> Covered:
    before = [0, *(row.covered for row in rows)]
    parts = tuple(
        Part(row.match, row.covered, row.covered - less, row.classes)
        for row, less in zip(rows, before, strict=False)
    )
    return Covered(name, rows[-1].classes, parts, tuple(sorted(rows[-1].missing)))


def _extremes(name: str, rows: Sequence[Agreement]) -> Extremes:
    ordered = sorted(rows, key=lambda row: (row.f1, -row.labels, row.group))
    worst = ordered[: min(LABELS_SHOWN, (len(ordered) + 1) // 2)]
    best = ordered[len(worst) :][-LABELS_SHOWN:]
    return Extremes(name, tuple(worst), tuple(reversed(best)))


def _by_field(rows: Sequence[Agreement]) -> Mapping[tuple[str, str], list[Agreement]]:
    fields = dict[tuple[str, str], list[Agreement]]()
    for row in rows:
        fields.setdefault((row.source, row.field), []).append(row)
    return fields


def _match(row: Agreement | ListCoverage) -> int:
    return MATCHES.index(row.match)


def _by_group(row: Agreement) -> tuple[str, int]:
    return row.group, _match(row)
