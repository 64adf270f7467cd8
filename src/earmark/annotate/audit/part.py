"""What one part of an audit found out: rows for its tables, and what it could not use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from earmark.records import Labels, Rejected

from .agreement import LEAST_CLIPS, Judged, agreement
from .match import matchers
from .meaning import Meaning
from .names import denies
from .results import Agreement, ParserScore, Shape


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


@dataclass(frozen=True)
class Labelled:
    """Tags of a clip or caption beside all that people labelled it.

    Rows of one `recording` are not independent. `domain` is "" where it is not known.
    """

    recording: str
    domain: str
    tags: tuple[str, ...]
    labels: Labels


def held_against(
    source: str,
    field: str,
    rows: Iterable[Labelled],
    meaning: Meaning | None,
    *,
    resamples: int,
    seed: int,
) -> Part:
    """Return the agreement of tags with one label field, over the rows that have a label of it.

    Labels that deny ("no voices") are left out and counted in a note: no tag is to name them.
    """
    with_field = [(row, row.labels[field]) for row in rows if row.labels.get(field)]
    judged = [
        Judged(row.recording, row.domain, row.tags, kept)
        for row, labels in with_field
        if (kept := tuple(label for label in labels if not denies(label)))
    ]
    if not judged:
        return Part(notes=(f"{source} has no labels in the field {field!r}.",))
    names = sorted({label for row in judged for label in row.labels})
    tags = {tag for row in judged for tag in row.tags}
    found = agreement(
        *(source, field, judged, matchers(names, tags, meaning)),
        resamples=resamples,
        seed=seed,
    )
    denied = sum(denies(label) for _, labels in with_field for label in labels)
    return Part(agreement=tuple(found), notes=_notes(source, field, judged, names, denied))


def _notes(
    source: str, field: str, judged: Sequence[Judged], names: Sequence[str], denied: int
) -> tuple[str, ...]:
    counts = dict.fromkeys(names, 0)
    for row in judged:
        for label in row.labels:
            counts[label] += 1
    rare = sum(count < LEAST_CLIPS for count in counts.values())
    notes: list[str] = []
    if denied:
        notes.append(
            f"{source}, {field}: {denied} labels say what is not heard (no voices) and are left "
            "out."
        )
    if rare:
        notes.append(
            f"{source}, {field}: {rare} of {len(names)} labels are carried by fewer than "
            f"{LEAST_CLIPS} clips; they count in the whole, and have no row of their own."
        )
    return tuple(notes)
