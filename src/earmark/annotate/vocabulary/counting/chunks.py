"""Rows of a source on their way to numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int32

STAGE = "vocabulary"
"""The stage that a row is rejected by."""


@dataclass(frozen=True)
class Fault:
    """A row that cannot be counted: its id, or "" where it has none, and why.

    `row` counts from 0 within the chunk: lines of a JSON file, rows of a Parquet file.
    """

    row: int
    id: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Chunk:
    """Some neighbouring rows of a source, their tags as codes into `terms`.

    Args:
        ids: Arrow array of strings, one a row.
        lengths: how many tags each row has.
        codes: the tags of all rows, one row after the other; each once a row.
        terms: distinct tags, in the order in which they first occur.
        rows: rows that were read, faulty ones included.
        faults: rows that were not passed on.
        dropped: elements of tag lists that are no tags, by reason.
    """

    ids: Any
    lengths: Int32[np.ndarray, " kept"]
    codes: Int32[np.ndarray, " uses"]
    terms: Sequence[str]
    rows: int
    faults: Sequence[Fault] = ()
    dropped: Counter[str] = field(default_factory=Counter[str])

    def tag_lists(self) -> Iterator[Sequence[str]]:
        """Yield the tags of each row that was passed on, as written."""
        codes: list[int] = self.codes.tolist()
        tags = [self.terms[code] for code in codes]
        start = 0
        for length in self.lengths.tolist():
            yield tags[start : start + length]
            start += length
