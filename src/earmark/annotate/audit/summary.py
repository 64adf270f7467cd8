"""An audit in a few lines, for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from earmark.records import read_parquet

from .results import (
    AGREEMENT,
    COVERAGE,
    PARSERS,
    SHAPE,
    Agreement,
    ListCoverage,
    ParserScore,
    Shape,
)


def summary(folder: Path) -> str:
    """Return the main figures of a finished audit as plain text, a line each."""
    return "\n".join((*_agreement(folder), *_coverage(folder), *_shapes(folder), *_parsers(folder)))


def _agreement(folder: Path) -> Iterator[str]:
    for row in read_parquet(folder / AGREEMENT, Agreement):
        if row.kind == "all":
            yield (
                f"{row.source}, {row.field} ({row.match}): precision {row.precision:.3f}, "
                f"recall {row.recall:.3f}, F1 {row.f1:.3f} [{row.f1_low:.3f}, {row.f1_high:.3f}] "
                f"over {row.clips} clips"
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
        against = "" if math.isnan(row.f1) else f", F1 {row.f1:.3f} against people"
        yield (
            f"{row.source}, {row.tagger}: {row.tags_mean:.1f} tags a caption, "
            f"{row.grounded:.0%} of them in it{against}"
        )
