"""Rows of numbers, laid one after the other, and chunks of tagged rows in that form.

`lengths` says how many values each row has, `values` has those of all rows. Nothing here loops
over rows in Python, and numpy lets other threads run meanwhile. Codes of 32 bits are looked up by
`table.take(codes)`, which takes half the time of `table[codes]`.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Int32, Int64, Integer

T = TypeVar("T")

R = TypeVar("R")


def row_indices(lengths: Int32[np.ndarray, " rows"]) -> Int32[np.ndarray, " values"]:
    """Return the row that each value is in."""
    return np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)


def row_starts(lengths: Int32[np.ndarray, " rows"]) -> Int64[np.ndarray, " rows"]:
    """Return where each row's values start."""
    return np.cumsum(lengths, dtype=np.int64) - lengths


def drop_duplicates(
    lengths: Int32[np.ndarray, " rows"], values: Int32[np.ndarray, " values"]
) -> tuple[Int32[np.ndarray, " rows"], Int32[np.ndarray, " kept"]]:
    """Return rows in which each value stands once, where it stood first."""
    rows = row_indices(lengths)
    later = find_duplicates(rows, values)
    if not len(later):
        return lengths, values
    fewer = lengths - np.bincount(rows[later], minlength=len(lengths)).astype(np.int32)
    return fewer, np.delete(values, later)


def find_duplicates(
    rows: Int32[np.ndarray, " values"],
    values: Int32[np.ndarray, " values"],
    among: Bool[np.ndarray, " values"] | None = None,
) -> Int64[np.ndarray, " repeats"]:
    """Return the positions of values that stand earlier in their row; looks at `among` only."""
    chosen = None if among is None else np.flatnonzero(among)
    keys = pair_keys(rows, values) if chosen is None else pair_keys(rows[chosen], values[chosen])
    doubled = sorted_duplicates(np.sort(keys))
    if not len(doubled):
        return np.empty(0, np.int64)
    # Few rows have repeats; only their values are sorted with their positions.
    affected = np.zeros(int(rows[-1]) + 1, bool)
    affected[doubled >> 32] = True
    in_affected = np.flatnonzero(affected[rows if chosen is None else rows[chosen]])
    order = in_affected[np.argsort(keys[in_affected], kind="stable")]
    later = order[1:][keys[order[1:]] == keys[order[:-1]]]
    return np.sort(later if chosen is None else chosen[later])


def pair_keys(
    rows: Int32[np.ndarray, " values"], values: Integer[np.ndarray, " values"]
) -> Int64[np.ndarray, " values"]:
    """Return one number for each (row, value), in their order; values are at least 0."""
    return (rows.astype(np.int64) << 32) | values


def sorted_duplicates(ordered: Integer[np.ndarray, " values"]) -> Integer[np.ndarray, " repeats"]:
    """Return each of the sorted values as often as it stands there beyond once."""
    return ordered[1:][ordered[1:] == ordered[:-1]]


def reduce_rows(
    reduction: np.ufunc, lengths: Int32[np.ndarray, " rows"], values: np.ndarray, empty: int
) -> np.ndarray:
    """Return `reduction` over the values of each row; `empty` for a row that has none.

    It must not matter to `reduction` that a value comes twice, as for minimum and bitwise_or: a row
    is covered by two windows, as long as the largest power of two in it, one from its start and one
    to its end (the sparse table of Bender and Farach-Colton, "The LCA problem revisited", LATIN
    2000). That takes half the time of `reduction.reduceat`.
    """
    result = np.full(len(lengths), empty, values.dtype)
    starts = row_starts(lengths)
    longest = int(lengths.max(initial=0))
    for power in range(longest.bit_length()):
        width = 1 << power
        if power:  # `values` becomes the reduction over the `width` values from each on
            values = reduction(values[: -width // 2], values[width // 2 :])
        rows = np.flatnonzero((lengths >= width) & (lengths < 2 * width))
        first = starts[rows]
        last = first + lengths[rows] - width
        result[rows] = reduction(values[first], values[last])
    return result


def filter_array(array: Any, stays: Bool[np.ndarray, " rows"]) -> Any:
    """Return some rows of an Arrow array; None of None."""
    import pyarrow as pa

    return None if array is None else array.filter(pa.array(stays))


def thread_count(workers: int) -> int:
    """Return how many threads to start: `workers`, or one a core where it is 0."""
    return workers or len(os.sched_getaffinity(0))


def map_in_order(function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Yield function(item) in the order of the items, `workers` of them at work at a time.

    At most two results a thread wait to be taken, which bounds the memory.
    """
    count = thread_count(workers)
    if count == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(count) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                if len(waiting) >= 2 * count:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(function, item))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


STAGE_NAME = "vocabulary"
"""The stage that a row is rejected by."""


@dataclass(frozen=True)
class BadRow:
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
    faults: Sequence[BadRow] = ()
    dropped: Counter[str] = field(default_factory=Counter[str])

    def tag_lists(self) -> Iterator[Sequence[str]]:
        """Yield the tags of each row that was passed on, as written."""
        codes: list[int] = self.codes.tolist()
        tags = [self.terms[code] for code in codes]
        start = 0
        for length in self.lengths.tolist():
            yield tags[start : start + length]
            start += length
