"""What one part of an audit found out: rows for its tables, and what it could not use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from earmark.annotate.audit.agreement import LEAST_CLIPS, agreement
from earmark.annotate.audit.labelled import Labelled
from earmark.annotate.audit.matching import matchers
from earmark.annotate.audit.results import Agreement, ParserScore, Shape
from earmark.annotate.sentence_encoder import Meaning
from earmark.records import Rejected


@dataclass(frozen=True)
class Part:
    """Rows of the tables; `given` clips or captions came in, `rejected` of them are not in it.

    `notes` say in sentences what a table cannot.
    """

    given: int = 0
    agreement: tuple[Agreement, ...] = ()
    shapes: tuple[Shape, ...] = ()
    parsers: tuple[ParserScore, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()


def held_against(
    source: str,
    field: str,
    rows: Labelled,
    meaning: Meaning | None,
    *,
    resamples: int,
    seed: int,
) -> Part:
    """Return the agreement of tags with one label field, over the rows that have a label of it.

    Labels that deny ("no voices") are counted in a note.
    """
    if not len(rows):
        return Part(notes=(f"{source} has no labels in the field {field!r}.",))
    made = matchers(list(rows.labels.names), list(rows.tags.names), meaning)
    found = agreement(source, field, rows, made, resamples=resamples, seed=seed)
    return Part(agreement=tuple(found), notes=tuple(_notes(source, field, rows)))


def _notes(source: str, field: str, rows: Labelled) -> Iterator[str]:
    rare = int((rows.labels.uses() < LEAST_CLIPS).sum())
    if rows.denied:
        yield (
            f"{source}, {field}: {rows.denied} labels say what is not heard (no voices) and are "
            "left out."
        )
    if rare:
        yield (
            f"{source}, {field}: {rare} of {len(rows.labels.names)} labels are carried by fewer "
            f"than {LEAST_CLIPS} clips; they count in the whole, and have no row of their own."
        )
