"""The audit section: agreement with labels, coverage of label lists, statistics, the map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from earmark.annotate.audit.results import (
    AGREEMENT_FILE,
    COVERAGE_FILE,
    MAP_FILE,
    NOTES_FILE,
    STATISTICS_FILE,
    TAGGERS_FILE,
    Agreement,
    ListCoverage,
    MapPoint,
    MatchKind,
    TaggerScore,
    TagStatistics,
)
from earmark.report.run import RunData
from earmark.tables import TOTAL_KEYS

MATCH_ORDER: tuple[MatchKind, ...] = ("exact", "lemma", "semantic")
"""Every way to match, each of which takes in the ones before it."""
MAX_LABELS = 10
LABELS_MATCH: MatchKind = "lemma"
"""How labels are matched that are shown one by one: it needs no extra, so every audit has it."""


@dataclass(frozen=True)
class FieldAgreement:
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
class LabelExtremes:
    """The labels of one field that the tags agree with least and best, by F1; worst and best first.

    The audit leaves out labels that few clips have.
    """

    name: str
    worst: tuple[Agreement, ...]
    best: tuple[Agreement, ...]


@dataclass(frozen=True)
class CoverageStep:
    """The classes of a list that one way to match adds to the ones before it."""

    match: MatchKind
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
class StackedCoverage:
    """How much of a label list the vocabulary covers; `missing` with the widest way to match."""

    name: str
    classes: int
    parts: tuple[CoverageStep, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class AuditSection:
    """Everything the audit section shows; what was not asked for is empty.

    `given` counts the clips and captions that were to be compared, `lost` those that were not, by
    the reason.
    """

    compared: tuple[FieldAgreement, ...]
    extremes: tuple[LabelExtremes, ...]
    covered: tuple[StackedCoverage, ...]
    shapes: tuple[TagStatistics, ...]
    parsers: tuple[TaggerScore, ...]
    points: tuple[MapPoint, ...]
    notes: tuple[str, ...]
    given: int
    lost: Mapping[str, int]


def read_audit(found: RunData) -> AuditSection | None:
    """Return the tables of the audit stage, or None where it has not finished."""
    if "audit" not in found:
        return None
    agreement = found.rows("audit", AGREEMENT_FILE, Agreement)
    notes = found.file("audit", NOTES_FILE)
    counts: dict[str, int] = found.provenance("audit")["counts"]
    return AuditSection(
        compared=group_agreement(agreement),
        extremes=label_extremes(agreement),
        covered=stack_coverage(found.rows("audit", COVERAGE_FILE, ListCoverage)),
        shapes=tuple(found.rows("audit", STATISTICS_FILE, TagStatistics)),
        parsers=tuple(found.rows("audit", TAGGERS_FILE, TaggerScore)),
        points=tuple(found.rows("audit", MAP_FILE, MapPoint)),
        notes=msgspec.json.decode(notes.read_bytes(), type=tuple[str, ...]) if notes else (),
        given=counts["in"],
        lost={reason: n for reason, n in counts.items() if reason not in TOTAL_KEYS},
    )


def group_agreement(rows: Sequence[Agreement]) -> tuple[FieldAgreement, ...]:
    """Return the agreement of each field, in the order of the table."""
    return tuple(
        FieldAgreement(
            source,
            field,
            tuple(sorted((row for row in members if row.kind == "all"), key=_match_rank)),
            tuple(sorted((row for row in members if row.kind == "domain"), key=_by_group)),
        )
        for (source, field), members in _by_field(rows).items()
    )


def label_extremes(rows: Sequence[Agreement]) -> tuple[LabelExtremes, ...]:
    """Return the labels of each field that fare worst and best; no label stands in both."""
    wanted = [
        row
        for row in rows
        if row.kind == "label" and row.match == LABELS_MATCH and not math.isnan(row.f1)
    ]
    return tuple(
        _field_extremes(f"{source} · {field}" if field else source, members)
        for (source, field), members in _by_field(wanted).items()
    )


def stack_coverage(rows: Sequence[ListCoverage]) -> tuple[StackedCoverage, ...]:
    """Return the coverage of each list: what each way to match adds to the one before it."""
    by_name = dict[str, list[ListCoverage]]()
    for row in rows:
        by_name.setdefault(row.name, []).append(row)
    return tuple(
        _stack_list(name, sorted(members, key=_match_rank)) for name, members in by_name.items()
    )


def _stack_list(name: str, rows: Sequence[ListCoverage]) -> StackedCoverage:
    before = [0, *(row.covered for row in rows)]
    parts = tuple(
        CoverageStep(row.match, row.covered, row.covered - less, row.classes)
        for row, less in zip(rows, before, strict=False)
    )
    return StackedCoverage(name, rows[-1].classes, parts, tuple(sorted(rows[-1].missing)))


def _field_extremes(name: str, rows: Sequence[Agreement]) -> LabelExtremes:
    ordered = sorted(rows, key=lambda row: (row.f1, -row.labels, row.group))
    worst = ordered[: min(MAX_LABELS, (len(ordered) + 1) // 2)]
    best = ordered[len(worst) :][-MAX_LABELS:]
    return LabelExtremes(name, tuple(worst), tuple(reversed(best)))


def _by_field(rows: Sequence[Agreement]) -> Mapping[tuple[str, str], list[Agreement]]:
    fields = dict[tuple[str, str], list[Agreement]]()
    for row in rows:
        fields.setdefault((row.source, row.field), []).append(row)
    return fields


def _match_rank(row: Agreement | ListCoverage) -> int:
    return MATCH_ORDER.index(row.match)


def _by_group(row: Agreement) -> tuple[str, int]:
    return row.group, _match_rank(row)
