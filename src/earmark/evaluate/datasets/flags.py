"""Labels as one column each: which of them are kept, and which are true of a clip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from earmark.evaluate.datasets.fields import Fields
from earmark.evaluate.datasets.registry import Layout, TableRows
from earmark.evaluate.datasets.tables import lines_of

TAG = "tag"
"""The field that flags become."""


def kept_flags(layout: Layout, folder: Path) -> frozenset[str]:
    """Return the columns that most clips have a 1 in; of equal ones those first by name.

    Raises:
        BrokenCopyError: a table is not there.
    """
    if layout.flags is None:
        return frozenset()
    counts = Counter[str]()
    for rows in layout.rows:
        if isinstance(rows, TableRows):
            for line in lines_of(folder, rows):
                counts.update(name for name, cell in line.cells.items() if _is_set(cell))
    for name in layout.flags.besides:
        counts.pop(name, None)
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    return frozenset(ranked[: layout.flags.most_frequent])


def flagged(fields: Fields, kept: Collection[str]) -> Fields:
    """Return the fields that are no flags, and the flags of `kept` that are set as one field."""
    tags = [name for name, cell in fields.items() if name in kept and _is_set(cell)]
    return {**fields, TAG: tags}


def _is_set(cell: object) -> bool:
    return str(cell).strip() == "1"
