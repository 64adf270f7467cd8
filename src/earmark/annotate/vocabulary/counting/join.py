"""Join the parts of a corpus: one list of terms, and each id only once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int32, Int64, UInt64

from earmark.annotate.vocabulary.counting.arrays import STAGE_NAME, filter_array, row_indices
from earmark.annotate.vocabulary.counting.id_hashes import common_hashes, hash_ids, shared_hashes
from earmark.annotate.vocabulary.counting.parts import BATCH_ROWS, RowBatch, SourcePart
from earmark.records import Rejected

DUPLICATE_ID = "id is there twice"


@dataclass(frozen=True)
class CorpusPart:
    """A part of a corpus.

    Args:
        part: its rows.
        position: where each of its terms stands in the corpus's list.
        skipped: rows whose ids an earlier row has, rising.
    """

    part: SourcePart
    position: Int32[np.ndarray, " terms"]
    skipped: Int64[np.ndarray, " skipped"]

    @property
    def captions(self) -> int:
        """Rows that count."""
        return self.part.facts.rows - len(self.skipped)

    def batch(self, number: int, *, ids: bool = False) -> RowBatch:
        """Read those rows of a batch that count."""
        batch = self.part.batch(number, ids=ids)
        first = number * BATCH_ROWS
        bounds = np.searchsorted(self.skipped, [first, first + BATCH_ROWS])
        skipped = self.skipped[bounds[0] : bounds[1]] - first
        return drop_rows(batch, skipped) if len(skipped) else batch

    def rejected(self) -> Iterator[Rejected]:
        """Yield the source's rows that do not count, and why."""
        yield from self.part.rejected()
        for number in np.unique(self.skipped // BATCH_ROWS):
            ids = self.part.batch(int(number), ids=True).ids
            for row in self.skipped[self.skipped // BATCH_ROWS == number] % BATCH_ROWS:
                yield Rejected(
                    id=ids[int(row)].as_py(),
                    stage=STAGE_NAME,
                    reason=DUPLICATE_ID,
                    detail=f"in {self.part.facts.source} after an earlier row",
                )


def join_parts(
    parts: Sequence[SourcePart],
) -> tuple[tuple[str, ...], Int64[np.ndarray, " terms"], tuple[CorpusPart, ...]]:
    """Return all terms, sorted, in how many captions each is, and the parts."""
    import pyarrow as pa
    import pyarrow.compute

    pc: Any = pyarrow.compute
    skipped = _skipped_rows(parts)
    local = [_term_counts(part, rows) for part, rows in zip(parts, skipped, strict=True)]
    held = pa.concat_arrays([names.filter(pa.array(counts > 0)) for names, counts in local])
    terms = held.unique()
    terms = terms.take(pc.sort_indices(terms))
    frequencies = np.zeros(len(terms), np.int64)
    joined: list[CorpusPart] = []
    for part, rows, (names, counts) in zip(parts, skipped, local, strict=True):
        position = pc.fill_null(pc.index_in(names, terms), -1).to_numpy()
        known = position >= 0
        frequencies[position[known]] += counts[known]
        joined.append(CorpusPart(part, position, rows))
    return tuple(terms.to_pylist()), frequencies, tuple(joined)


def drop_rows(batch: RowBatch, rows: Int64[np.ndarray, " rows"]) -> RowBatch:
    """Return a batch less some of its rows."""
    stays = np.ones(len(batch.lengths), bool)
    stays[rows] = False
    codes = batch.codes[np.repeat(stays, batch.lengths)]
    return RowBatch(batch.lengths[stays], codes, filter_array(batch.ids, stays))


def _term_counts(
    part: SourcePart, skipped: Int64[np.ndarray, " rows"]
) -> tuple[Any, Int64[np.ndarray, " terms"]]:
    """Return a part's terms, and in how many of its rows that count each is."""
    names, counts = part.terms()
    counts = counts.copy()
    for number in np.unique(skipped // BATCH_ROWS):
        rows = skipped[skipped // BATCH_ROWS == number] % BATCH_ROWS
        batch = part.batch(int(number))
        lost = np.isin(row_indices(batch.lengths), rows)
        counts -= np.bincount(batch.codes[lost], minlength=len(counts))
    return names, counts


def _skipped_rows(parts: Sequence[SourcePart]) -> list[Int64[np.ndarray, " rows"]]:
    """Return, for each part, the rows whose id an earlier row has."""
    hashes = [part.hashes() for part in parts]
    shared = shared_hashes(hashes)
    seen = np.empty(0, np.uint64)
    skipped: list[Int64[np.ndarray, " skipped"]] = []
    for part, own in zip(parts, hashes, strict=True):
        here = common_hashes(shared, own)
        elsewhere = _rows_with(part, common_hashes(here, seen))
        skipped.append(np.union1d(part.repeats(), elsewhere))
        seen = np.union1d(seen, here)
    return skipped


def _rows_with(
    part: SourcePart, wanted: UInt64[np.ndarray, " wanted"]
) -> Int64[np.ndarray, " rows"]:
    """Return the rows whose hash is one of the wanted ones."""
    rows = [np.empty(0, np.int64)]
    for number in range(part.facts.batches if len(wanted) else 0):
        hashes = hash_ids(part.batch(number, ids=True).ids)
        rows.append(np.flatnonzero(np.isin(hashes, wanted)) + number * BATCH_ROWS)
    return np.concatenate(rows)
