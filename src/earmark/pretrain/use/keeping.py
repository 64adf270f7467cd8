"""When an index is written: as it grows, and only where it has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from earmark.pretrain.inference.index import Index, check_writable, save_index

SAVE_EVERY_S = 120.0
"""Seconds after which what was listened to is saved: as much as a killed search loses."""


class Keeper:
    """Writes an index when it has changed, and at intervals.

    Args:
        path: the index file; None keeps nothing.
        clock: seconds, from any beginning.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._saved: Index | None = None
        self._saved_at_s = clock()

    def has(self, index: Index) -> None:
        """Say that this is what the file holds."""
        self._saved = index

    def check(self) -> None:
        """Raise what `save` would raise."""
        if self._path is not None:
            check_writable(self._path)

    @property
    def is_due(self) -> bool:
        """Whether the last save is long ago."""
        return self._path is not None and self._clock() - self._saved_at_s >= SAVE_EVERY_S

    def save(self, index: Index) -> None:
        """Write an index, unless the file holds it already."""
        if self._path is not None and not _same(index, self._saved):
            save_index(index, self._path)
            self._saved = index
        self._saved_at_s = self._clock()


def _same(index: Index, other: Index | None) -> bool:
    """Return whether two indexes are of the same files; their vectors follow from those."""
    if other is None or index.vectors.dtype != other.vectors.dtype:
        return False
    mine = (index.checkpoint, index.folder, index.files, index.lost)
    return mine == (other.checkpoint, other.folder, other.files, other.lost)
