"""An audit in a few lines, for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import msgspec

from earmark.annotate.audit.results import (
    AGREEMENT,
    COVERAGE,
    NOTES,
    PARSERS,
    SHAPE,
    Agreement,
    ListCoverage,
    ParserScore,
    Shape,
)
from earmark.records import read_parquet


def summary(folder: Path) -> str:
    """Return the main figures of a finished audit as plain text, a line each; its notes last."""
    parts = (_agreement, _coverage, _shapes, _parsers, _notes)
    return "\n".join(line for part in parts for line in part(folder))


def _agreement(folder: Path) -> Iterator[str]:
    for row in read_parquet(folder / AGREEMENT, Agreement):
        if row.kind == "all":
            yield (
                f"{row.source}, {row.field} ({row.match}): precision {_rate(row.precision)}, "
                f"recall {_rate(row.recall)}, F1 {_rate(row.f1)} "
                f"[{_rate(row.f1_low)}, {_rate(row.f1_high)}] over {row.clips} clips"
            )


def _coverage(folder: Path) -> Iterator[str]:
    for row in read_parquet(folder / COVERAGE, ListCoverage):
        yield f"{row.name} ({row.match}): {row.covered} of {row.classes} classes can be named"


def _shapes(folder: Path) -> Iterator[str]:
    for row in read_parquet(folder / SHAPE, Shape):
        yield (
            f"{row.source}: {row.captions} captions, {row.untagged} without tags, "
            f"{row.tags_mean:.1f} tags each, {row.distinct} distinct, {row.once:.0%} of them once"
        )


def _parsers(folder: Path) -> Iterator[str]:
    for row in read_parquet(folder / PARSERS, ParserScore):
        yield (
            f"{row.source}, {row.tagger}: {_rate(row.tags_mean, '.1f')} tags a caption, "
            f"{_rate(row.grounded, '.0%')} of them in it, F1 {_rate(row.f1)} against people, "
            f"{row.unreadable} of {row.captions} captions unreadable"
        )


def _notes(folder: Path) -> Iterator[str]:
    for note in msgspec.json.decode((folder / NOTES).read_bytes(), type=list[str]):
        yield f"Note: {note}"


def _rate(value: float, form: str = ".3f") -> str:
    """Return a figure, "-" where there is none."""
    return "-" if math.isnan(value) else format(value, form)
