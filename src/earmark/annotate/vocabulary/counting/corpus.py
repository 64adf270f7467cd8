"""The tags of a corpus as numbers: each distinct tag is a term, each caption a list of terms.

Sources are encoded and counted once and cached.

A source is known by its path, inode, size and times: an edit that restores the time of modification
(cp -p, rsync -t) still shows in that of the inode. The counts of a part lie in its folder, keyed by
how its own terms are grouped: more sources shift the numbers of all terms, but not the groups
within this one.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Int8, Int32, Int64, Integer

from earmark.annotate.vocabulary.counting.arrays import (
    STAGE_NAME,
    Chunk,
    drop_duplicates,
    map_in_order,
    reduce_rows,
)
from earmark.annotate.vocabulary.counting.count import (
    GroupCounts,
    Grouping,
    Tally,
    count_batch,
    pair_cells,
    pair_counts,
    sum_counts,
    to_tally,
)
from earmark.annotate.vocabulary.counting.join import CorpusPart, join_parts
from earmark.annotate.vocabulary.counting.parts import BATCH_ROWS, RowBatch, SourcePart, write_part
from earmark.annotate.vocabulary.counting.sources import find_sources, read_chunks
from earmark.config import ConfigError, fingerprint
from earmark.io import file_lock, replace_file
from earmark.records import Rejected

PART_FORMAT = 2
"""Raised whenever a part would be written otherwise than before."""

_MAX_CACHED_COUNTS = 4  # ways of grouping whose counts a part keeps


def encode_source(source: Path, folder: Path, *, workers: int) -> SourcePart:
    """Return the part of a source; read the source only where none of its present state is there.

    Raises:
        ConfigError: the source cannot be read.
    """
    place = fingerprint(str(source))
    state = source.stat()
    seen = (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    digest = fingerprint(PART_FORMAT, str(source), seen)
    path = folder / f"part-{place}-{digest}"
    if not path.exists():
        write_part(read_chunks(source, workers=workers), str(source), path)
        for older in folder.glob(f"part-{place}-*"):
            if older != path:
                shutil.rmtree(older)
    return SourcePart(path)


def remove_temporary_parts(folder: Path) -> None:
    """Remove what a killed process left."""
    for path in folder.glob("part-*.tmp"):
        shutil.rmtree(path)


def cached_counts(
    joined: CorpusPart, grouping: Grouping, count: Callable[[], GroupCounts]
) -> GroupCounts:
    """Return the counts of a part under a canonical grouping; `count` is called for new ones."""
    digest = hashlib.sha256()
    for array in (grouping.group, grouping.seeds, joined.skipped):
        digest.update(len(array).to_bytes(8, "little"))
        digest.update(array.tobytes())
    path = joined.part.folder / f"counts-{digest.hexdigest()[:24]}.npy"
    with contextlib.suppress(FileNotFoundError):
        return np.load(path)
    counts = count()
    # Other processes may have counted the same, and remove old counts too.
    with file_lock(path.with_name("lock"), wait=True):
        _write_counts(counts, path)
    return counts


def _write_counts(counts: GroupCounts, path: Path) -> None:
    """Write counts, and remove the oldest ones beside them, and what a killed process left."""
    for unfinished in path.parent.glob("counts-*.tmp"):
        unfinished.unlink()
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb") as file:
        np.save(file, counts)
    replace_file(temporary, path)
    every = sorted(path.parent.glob("counts-*.npy"), key=lambda old: old.stat().st_mtime_ns)
    for old in every[:-_MAX_CACHED_COUNTS]:
        old.unlink()


T = TypeVar("T")


@dataclass(frozen=True)
class TagCorpus:
    """The tags of all captions, encoded once into files of `folder` and read from there.

    Results never depend on the order of sources or rows, nor on how many threads work; only of
    rows with the same id the first counts, by the sources' paths and then by row.

    Args:
        terms: distinct tags as written, sorted.
        frequencies: in how many captions each term is.
        parts: the sources, sorted by path.
        workers: threads that read it; 0 for one a core.
    """

    terms: tuple[str, ...]
    frequencies: Int64[np.ndarray, " terms"]
    parts: tuple[CorpusPart, ...]
    workers: int = 0

    @staticmethod
    def encode(sources: Sequence[Path], folder: Path, *, workers: int = 0) -> TagCorpus:
        """Encode the sources that are new or have changed; others are read from `folder`.

        Args:
            sources: files of tagged captions, or folders of them; see `sources`.
            folder: where encoded sources are kept; it may serve many corpora.
            workers: threads at work; 0 for one a core.

        Raises:
            ConfigError: a source is missing, of no known form or damaged, or no row can be counted.
        """
        files = find_sources(sources)
        folder.mkdir(parents=True, exist_ok=True)
        with file_lock(folder / "lock", wait=True):
            remove_temporary_parts(folder)
            parts = [encode_source(file, folder, workers=workers) for file in files]
        corpus = TagCorpus(*join_parts(parts), workers)
        if not corpus.captions:
            raise ConfigError(_no_rows_message(corpus, files))
        return corpus

    @staticmethod
    def of(tag_sets: Iterable[Sequence[str]], folder: Path, *, workers: int = 1) -> TagCorpus:
        """Encode tag lists in memory, as one source whose ids are the rows' numbers."""
        part = write_part(_iter_chunks(tag_sets), "memory", folder / "part-memory")
        return TagCorpus(*join_parts([part]), workers)

    @property
    def captions(self) -> int:
        """Rows that count, N: all with an id and a list of tags, an empty one too."""
        return sum(part.captions for part in self.parts)

    @cached_property
    def as_written(self) -> Mapping[str, int]:
        """In how many captions each tag as written is."""
        return dict(zip(self.terms, self.frequencies.tolist(), strict=True))

    @cached_property
    def unread(self) -> dict[str, int]:
        """Rows that do not count, by reason, the most frequent first."""
        return dict(Counter(row.reason for row in self.rejected()).most_common())

    @cached_property
    def counts(self) -> dict[str, int]:
        """The stage's counts: rows "in" and "out", and rejected ones by "vocabulary: reason"."""
        rows = {"in": self.captions + sum(self.unread.values()), "out": self.captions}
        return rows | {f"{STAGE_NAME}: {reason}": count for reason, count in self.unread.items()}

    @property
    def dropped(self) -> dict[str, int]:
        """Elements of tag lists that are no tags at all, by reason."""
        dropped = Counter[str]()
        for joined in self.parts:
            dropped.update(joined.part.facts.dropped)
        return dict(sorted(dropped.items()))

    def rejected(self) -> Iterator[Rejected]:
        """Yield the rows that do not count, source by source, and why."""
        for joined in self.parts:
            yield from joined.rejected()

    def rows(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield id and tags as written of each caption, in order."""
        for joined in self.parts:
            for number in range(joined.part.facts.batches):
                batch = joined.batch(number, ids=True)
                tags = [self.terms[term] for term in joined.position.take(batch.codes).tolist()]
                ends: list[int] = np.cumsum(batch.lengths).tolist()
                for name, start, end in zip(batch.ids, [0, *ends], ends, strict=False):
                    yield name.as_py(), tags[start:end]

    def tally(
        self, group: Int32[np.ndarray, " terms"], seeds: Int8[np.ndarray, " groups"]
    ) -> Tally:
        """Count captions by group of terms; parts that were so counted before are not read.

        Args:
            group: the tag that each term is counted as, -1 where it is dropped.
            seeds: of each group, the index into DOMAINS that it is a seed of, or -1.
        """
        sums: GroupCounts = sum_counts((), len(seeds))
        for joined in self.parts:
            local, groups = Grouping(local_values(group, joined), seeds).canonical()
            counts = cached_counts(joined, local, lambda j=joined, g=local: self._count(j, g))
            sums[groups] += counts[:-1]
            sums[-1] += counts[-1]
        return to_tally(sums)

    def first_ranks(
        self, rank: Int32[np.ndarray, " terms"], size: int
    ) -> Int64[np.ndarray, " size"]:
        """Count captions by the best (smallest) rank among their terms; -1 is no rank.

        Args:
            rank: of the tag that each term is counted as, from 0.
            size: ranks from `size` on do not count.
        """
        unranked = np.where((rank < 0) | (rank >= size), size, rank)
        unranked = unranked.astype(np.min_scalar_type(size))  # narrow numbers are faster
        result = np.zeros(size + 1, np.int64)

        def best(joined: CorpusPart, batch: RowBatch) -> Int64[np.ndarray, " ranks"]:
            ranks = local_values(unranked, joined, size).take(batch.codes)
            first = reduce_rows(np.minimum, batch.lengths, ranks, size)
            return np.bincount(first, minlength=size + 1)

        for counts in self.map_batches(best):
            result += counts
        return result[:size]

    def cooccurrence(
        self, rank: Int32[np.ndarray, " terms"], size: int
    ) -> Int64[np.ndarray, "size size"]:
        """Count the captions that hold both of two ranks; the diagonal is each one's own.

        Takes 16 * size**2 bytes; ranks are those of `first_ranks`.
        """
        ranked = np.where(rank < size, rank, -1).astype(np.int32)
        cells = self.map_batches(
            lambda joined, batch: pair_cells(batch, local_values(ranked, joined), size)
        )
        return pair_counts(cells, size)

    def map_batches(
        self, function: Callable[[CorpusPart, RowBatch], T], *, ids: bool = False
    ) -> Iterator[T]:
        """Yield what `function` makes of each batch, in order; batches are worked on in threads."""
        places = [
            (joined, number) for joined in self.parts for number in range(joined.part.facts.batches)
        ]
        return map_in_order(
            lambda place: function(place[0], place[0].batch(place[1], ids=ids)),
            places,
            self.workers,
        )

    def _count(self, joined: CorpusPart, grouping: Grouping) -> GroupCounts:
        batches = map_in_order(
            lambda number: count_batch(joined.batch(number), grouping),
            range(joined.part.facts.batches),
            self.workers,
        )
        return sum_counts(batches, len(grouping.seeds))


def local_values(
    values: Integer[np.ndarray, " terms"], joined: CorpusPart, missing: int = -1
) -> Integer[np.ndarray, " local"]:
    """Return what a part's own terms have of `values`; `missing` for those that do not count."""
    return np.append(values, values.dtype.type(missing)).take(joined.position)


def _iter_chunks(tag_sets: Iterable[Sequence[str]]) -> Iterator[Chunk]:
    """Yield tag lists as chunks."""
    rows = iter(tag_sets)
    first = 0
    while chunk := _next_chunk(rows, first):
        yield chunk
        first += chunk.rows


def _next_chunk(rows: Iterator[Sequence[str]], first: int) -> Chunk | None:
    import pyarrow as pa

    codes_of: defaultdict[str, int] = defaultdict(count().__next__)
    codes: list[int] = []
    lengths: list[int] = []
    for _, tags in zip(range(BATCH_ROWS), rows, strict=False):
        lengths.append(len(tags))
        codes.extend(map(codes_of.__getitem__, tags))
    if not lengths:
        return None
    ids = pa.array(map(str, range(first, first + len(lengths))), pa.string())
    once = drop_duplicates(np.array(lengths, np.int32), np.array(codes, np.int32))
    return Chunk(ids, *once, list(codes_of), len(lengths))


def _no_rows_message(corpus: TagCorpus, files: Sequence[Path]) -> str:
    """Return a message for a corpus without a single good row."""
    names = ", ".join(file.name for file in files)
    if not (first := next(corpus.rejected(), None)):
        return f"{names}: no rows. Give files with rows of " + '{"id", "caption", "tags"}.'
    return (
        f"{names}: none of {corpus.counts['in']} rows can be counted; the first is at {first.id}: "
        f"{first.reason}{first.detail and f' ({first.detail})'}. "
        'Expected rows of {"id": "a", "tags": ["dog", "bark"]}.'
    )
