"""Count the captions that hold each tag, over all and by domain, or each two tags."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int8, Int32, Int64

from earmark.annotate.vocabulary.config import DOMAINS
from earmark.annotate.vocabulary.counting.arrays import (
    pair_keys,
    reduce_rows,
    row_indices,
    sorted_duplicates,
)
from earmark.annotate.vocabulary.counting.parts import RowBatch

_DOMAIN_SETS = 1 << len(DOMAINS)
"""Sets of domains that a caption can be of, as bits."""

_SOUND_ONLY = 1 << DOMAINS.index("sound")


@dataclass(frozen=True)
class Tally:
    """Counts over a corpus; a tag counts once a caption, whatever its variants.

    `df` is in the order of the tags that were counted; columns of `by_domain` are those of
    `DOMAINS`. A caption is of each domain that one of its tags is a seed of, and "sound" where
    there is no seed.
    """

    df: Int64[np.ndarray, " tags"]
    by_domain: Int64[np.ndarray, "tags domains"]
    captions: int
    captions_by_domain: Int64[np.ndarray, " domains"]


@dataclass(frozen=True)
class Grouping:
    """How terms are counted: `group` of each term, -1 where dropped; `seeds` as in `TagCorpus`."""

    group: Int32[np.ndarray, " terms"]
    seeds: Int8[np.ndarray, " groups"]

    def canonical(self) -> tuple[Grouping, Int32[np.ndarray, " used"]]:
        """Return the same with groups numbered as they first occur, and which groups those are.

        Two groupings that treat the terms alike have the same canonical form.
        """
        used, first = np.unique(self.group, return_index=True)
        used = used[np.argsort(first)]
        used = used[used >= 0]
        number = np.full(len(self.seeds) + 1, -1, np.int32)  # the last is that of group -1
        number[used] = np.arange(len(used), dtype=np.int32)
        return Grouping(number[self.group], self.seeds[used]), used


GroupCounts = Int64[np.ndarray, "groups_and_captions sets"]
"""Captions by group and set of domains; the last row is that of all captions."""


def count_batch(batch: RowBatch, grouping: Grouping) -> GroupCounts:
    """Count the captions of a batch."""
    groups = len(grouping.seeds)
    sets = _domain_sets(batch, grouping)
    # Dropped terms are counted in a column of their own, which is cheaper than to leave them out.
    cell_of = (grouping.group.astype(np.int64) + 1) * _DOMAIN_SETS
    cells = cell_of.take(batch.codes) + np.repeat(sets, batch.lengths)
    counts = np.bincount(cells, minlength=(groups + 1) * _DOMAIN_SETS)
    shared = _shared_terms(grouping)
    if shared.any():
        chosen = np.flatnonzero(shared.take(batch.codes))
        keys = pair_keys(row_indices(batch.lengths)[chosen], cells[chosen])
        keys.sort()
        again = sorted_duplicates(keys) & 0xFFFF_FFFF
        counts -= np.bincount(again, minlength=len(counts))
    table = counts.reshape(groups + 1, _DOMAIN_SETS)[1:]
    return np.vstack([table, np.bincount(sets, minlength=_DOMAIN_SETS)])


def to_tally(counts: GroupCounts) -> Tally:
    """Return the tally that counts by set of domains amount to."""
    holds = np.array(
        [[s >> d & 1 for d in range(len(DOMAINS))] for s in range(_DOMAIN_SETS)], np.int64
    )
    by_domain = counts @ holds
    return Tally(
        df=counts[:-1].sum(axis=1),
        by_domain=by_domain[:-1],
        captions=int(counts[-1].sum()),
        captions_by_domain=by_domain[-1],
    )


def sum_counts(counts: Iterable[GroupCounts], groups: int) -> GroupCounts:
    """Return the sum over batches."""
    result = np.zeros((groups + 1, _DOMAIN_SETS), np.int64)
    for one in counts:
        result += one
    return result


def _domain_sets(batch: RowBatch, grouping: Grouping) -> Int64[np.ndarray, " rows"]:
    """Return the domains of each caption, as bits."""
    bits = np.where(grouping.seeds >= 0, 1 << np.maximum(grouping.seeds, 0), 0)
    bit_of = np.append(bits, 0).astype(np.uint8)[grouping.group]
    sets = reduce_rows(np.bitwise_or, batch.lengths, bit_of.take(batch.codes), 0)
    return np.where(sets == 0, _SOUND_ONLY, sets).astype(np.int64)


def _shared_terms(grouping: Grouping) -> np.ndarray:
    """Return which terms are counted together with another one."""
    members = np.bincount(grouping.group + 1, minlength=len(grouping.seeds) + 1)
    members[0] = 0
    return members[grouping.group + 1] > 1


def pair_cells(
    batch: RowBatch, rank: Int32[np.ndarray, " terms"], size: int
) -> Int64[np.ndarray, " pairs"]:
    """Return a cell, a * size + b, for each two ranks a <= b that a caption holds.

    Args:
        batch: captions.
        rank: of each term, -1 for none.
        size: above all ranks.
    """
    ranks = rank.take(batch.codes)
    ranked = ranks >= 0
    keys = np.sort(pair_keys(row_indices(batch.lengths)[ranked], ranks[ranked]))
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
