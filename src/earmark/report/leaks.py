"""Test clips that were learnt from, and so were excluded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from earmark.evaluate.leakage.leak import KINDS, Leak
from earmark.report.run import Finished

LISTED = 20
LEAKS = "leaks.parquet"
REASONS = {
    "id": "the same bytes",
    "fingerprint": "the same sound",
    "sentence": "a sentence of a caption",
}
"""What the clips share with one that was learnt from."""


@dataclass(frozen=True)
class Leaks:
    """How many test clips leaked, how many by each reason, and the first rows.

    A clip that leaked in several ways counts by the surest of them.
    """

    clips: int
    reasons: tuple[tuple[str, int], ...]
    listed: tuple[tuple[Leak, str], ...]
    rows: int


def read_leaks(found: Finished) -> Leaks | None:
    """Return the leaks, or None where the evaluate stage looked for none."""
    if found.file("evaluate", LEAKS) is None:
        return None
    return leaks_of(found.rows("evaluate", LEAKS, Leak))


def leaks_of(rows: Sequence[Leak]) -> Leaks:
    """Count leaks."""
    surest = dict[str, str]()
    for kind in reversed(KINDS):
        surest |= {leak.id: kind for leak in rows if leak.by == kind}
    counts = Counter(surest.values())
    reasons = tuple((REASONS[kind], counts[kind]) for kind in KINDS if counts[kind])
    listed = tuple((leak, REASONS[leak.by]) for leak in rows[:LISTED])
    return Leaks(len(surest), reasons, listed, len(rows))
