"""How many captions hold each two tags: a loop over distances within a row, not over rows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Int32, Int64

from earmark.annotate.vocabulary.counting.arrays import pair_keys, row_of
from earmark.annotate.vocabulary.counting.parts import Batch


def pair_cells(
    batch: Batch, rank: Int32[np.ndarray, " terms"], size: int
) -> Int64[np.ndarray, " pairs"]:
    """Return a cell, a * size + b, for each two ranks a <= b that a caption holds.

    Args:
        batch: captions.
        rank: of each term, -1 for none.
        size: above all ranks.
    """
    ranks = rank.take(batch.codes)
    ranked = ranks >= 0
    keys = np.sort(pair_keys(row_of(batch.lengths)[ranked], ranks[ranked]))
    keys = keys[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]
    rows, ranks = keys >> 32, keys & 0xFFFF_FFFF
    end = np.searchsorted(rows, rows, side="right")
    cells = [ranks * (size + 1)]
    first = np.arange(len(keys))
    distance = 1
    while len(first := first[first + distance < end[first]]):
        cells.append(ranks[first] * size + ranks[first + distance])
        distance += 1
    return np.concatenate(cells)


def pair_counts(
    cells: Iterable[Int64[np.ndarray, " pairs"]], size: int
) -> Int64[np.ndarray, "size size"]:
    """Return how often each cell occurs, as a symmetric matrix."""
    counts = np.zeros(size * size, np.int64)
    for some in cells:
        np.add.at(counts, some, 1)
    above = counts.reshape(size, size)
    diagonal = above.diagonal().copy()
    above += above.T.copy()
    np.fill_diagonal(above, diagonal)
    return above
