"""Write the tags that a vocabulary keeps of each caption: tags_<K>/<source>.parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import numpy as np
from jaxtyping import Bool, Int32

from earmark.annotate.vocabulary.counting.arrays import (
    filter_array,
    find_duplicates,
    map_in_order,
    row_indices,
    thread_count,
)
from earmark.annotate.vocabulary.counting.corpus import TagCorpus, local_values
from earmark.annotate.vocabulary.counting.join import CorpusPart
from earmark.annotate.vocabulary.counting.parts import RowBatch
from earmark.config import fingerprint
from earmark.io import replace_file
from earmark.tables import read_metadata

FILTERED_FORMAT = "earmark filtered tags 2"


class FilterCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Captions that keep a tag of the vocabulary, those that keep none, and tags that are kept."""

    kept: int
    dropped: int
    uses: int


def write_filtered_tags(
    corpus: TagCorpus,
    rank: Int32[np.ndarray, " terms"],
    tags: Sequence[str],
    sizes: Iterable[int],
    folder: Path,
) -> dict[int, FilterCounts]:
    """Write the tags that each vocabulary leaves, as rows of id and tags in the captions' order.

    A vocabulary of size K is the first K of `tags`. A caption with none of them left has no row. A
    file that would be the same as it is already is not written again; one whose source is gone is
    removed. Only one process may write into `folder` at a time.

    Args:
        corpus: the captions.
        rank: of the tag that each term is counted as, from 0; -1 is none.
        tags: in the order of their ranks.
        sizes: each K.
        folder: where the folders tags_<K> are made.

    Returns:
        For each size, how many captions and tags are left.
    """
    names = _file_names([Path(joined.part.facts.source) for joined in corpus.parts])
    folders = {size: folder / f"tags_{size}" for size in sorted(set(sizes))}
    totals = dict.fromkeys(folders, FilterCounts(kept=0, dropped=0, uses=0))
    for path in folders.values():
        path.mkdir(parents=True, exist_ok=True)
        _remove_stale(path, names)
    for joined, name in zip(corpus.parts, names, strict=True):
        local = local_values(rank, joined)
        files = [
            _FilteredFile(path / name, tags[:size], _file_digest(joined, local, tags[:size]))
            for size, path in folders.items()
        ]
        new = [file for file in files if not file.is_current()]
        if new:
            _write_source(joined, local, new, corpus.workers)
        for size, file in zip(folders, files, strict=True):
            totals[size] = _add_counts(totals[size], file.kept())
    return totals


@dataclass(frozen=True)
class _FilteredFile:
    """A file of filtered tags, as it should be."""

    path: Path
    tags: Sequence[str]
    digest: str

    def is_current(self) -> bool:
        """Return whether the file is there and was made of the same rows with the same mapping."""
        return self.path.exists() and read_metadata(self.path).get("digest") == self.digest

    def kept(self) -> FilterCounts:
        """Return what the file says of itself."""
        return msgspec.json.decode(read_metadata(self.path)["kept"], type=FilterCounts)


class _FileWriter:
    """Writes one file of filtered tags, which has its name only when the block has ended well."""

    def __init__(self, file: _FilteredFile) -> None:
        import pyarrow as pa

        self._file = file
        self._temporary = file.path.with_name(file.path.name + ".tmp")
        self._dictionary = pa.array(file.tags, pa.string())
        tags = pa.list_(pa.dictionary(pa.int32(), pa.string()))
        self._schema = pa.schema([("id", pa.string()), ("tags", tags)])
        self._kept = self._dropped = self._uses = 0

    def __enter__(self) -> _FileWriter:
        import pyarrow.parquet as pq

        self._writer: Any = pq.ParquetWriter(
            self._temporary,
            self._schema,
            compression="zstd",
            use_dictionary=["tags.list.element"],  # pyright: ignore[reportArgumentType]
            column_encoding={"id": "DELTA_LENGTH_BYTE_ARRAY"},  # packs faster, and smaller
            store_schema=False,  # a reader sees list<string>
            write_statistics=False,  # of hashes and of lists they tell nothing, and take long
        )
        return self

    def append(self, batch: _RankedBatch) -> None:
        """Add those captions of a batch that keep a tag."""
        import pyarrow as pa

        chosen = batch.ranks < len(self._file.tags)
        lengths = np.bincount(batch.rows[chosen], minlength=batch.captions)
        filled = lengths > 0
        offsets = np.concatenate([[0], np.cumsum(lengths[filled])]).astype(np.int32)
        ranks = pa.DictionaryArray.from_arrays(pa.array(batch.ranks[chosen]), self._dictionary)
        tags = pa.ListArray.from_arrays(pa.array(offsets), ranks)
        table = pa.table([filter_array(batch.ids, filled), tags], schema=self._schema)
        self._writer.write_table(table)
        self._kept += table.num_rows
        self._dropped += batch.captions - table.num_rows
        self._uses += int(offsets[-1])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        kept = FilterCounts(kept=self._kept, dropped=self._dropped, uses=self._uses)
        metadata = {
            "format": FILTERED_FORMAT,
            "digest": self._file.digest,
            "kept": msgspec.json.encode(kept).decode(),
        }
        self._writer.add_key_value_metadata(metadata)
        self._writer.close()
        if kind is None:
            replace_file(self._temporary, self._file.path)
        else:
            self._temporary.unlink(missing_ok=True)


@dataclass(frozen=True)
class _RankedBatch:
    """The ranked tags of a batch: of each, its caption's row and its rank; each once a caption."""

    ids: Any
    captions: int
    rows: Int32[np.ndarray, " uses"]
    ranks: Int32[np.ndarray, " uses"]


def _write_source(
    joined: CorpusPart,
    rank: Int32[np.ndarray, " terms"],
    files: Sequence[_FilteredFile],
    workers: int,
) -> None:
    """Write all files of one source in one pass over it."""
    shared = _shared_ranks(rank)
    largest = max(len(file.tags) for file in files)
    batches = map_in_order(
        lambda number: _rank_batch(joined.batch(number, ids=True), rank, shared, largest),
        range(joined.part.facts.batches),
        workers,
    )
    with ExitStack() as stack:
        writers = [stack.enter_context(_FileWriter(file)) for file in files]
        pool = stack.enter_context(ThreadPoolExecutor(thread_count(workers)))
        for batch in batches:
            list(pool.map(_FileWriter.append, writers, repeat(batch)))


def _rank_batch(
    batch: RowBatch,
    rank: Int32[np.ndarray, " terms"],
    shared: Bool[np.ndarray, " terms"],
    size: int,
) -> _RankedBatch:
    """Return the tags of a batch with ranks below `size`, each once a caption."""
    ranks = rank.take(batch.codes)
    stays = (ranks >= 0) & (ranks < size)
    rows = row_indices(batch.lengths)
    if shared.any():
        stays[find_duplicates(rows, ranks, stays & shared.take(batch.codes))] = False
    return _RankedBatch(batch.ids, len(batch.lengths), rows[stays], ranks[stays])


def _shared_ranks(rank: Int32[np.ndarray, " terms"]) -> Bool[np.ndarray, " terms"]:
    """Return which terms have their rank together with another one."""
    return np.bincount(rank + 1)[rank + 1] > 1


def _file_digest(joined: CorpusPart, rank: Int32[np.ndarray, " terms"], tags: Sequence[str]) -> str:
    """Return a digest of all that a file depends on: rows, and which tag its terms become.

    The order of the tags, and those that no term becomes, have no part in it.
    """
    place = np.where(rank < len(tags), rank, -1)
    used: list[int] = np.unique(place[place >= 0]).tolist()
    used.sort(key=tags.__getitem__)
    number = np.full(len(tags) + 1, -1, np.int32)  # the last is that of place -1
    number[used] = np.arange(len(used), dtype=np.int32)
    arrays = (joined.skipped, number[place])
    hashed = [hashlib.sha256(array.tobytes()).hexdigest() for array in arrays]
    return fingerprint(
        FILTERED_FORMAT, joined.part.facts.digest, hashed, [tags[one] for one in used]
    )


def _add_counts(one: FilterCounts, other: FilterCounts) -> FilterCounts:
    return FilterCounts(
        kept=one.kept + other.kept,
        dropped=one.dropped + other.dropped,
        uses=one.uses + other.uses,
    )


def _file_names(sources: Sequence[Path]) -> list[str]:
    """Return a file name for each source: its own, with some of its path where two are alike."""
    stems = [source.name.split(".")[0] for source in sources]
    return [
        f"{stem}-{fingerprint(str(source))[:8]}.parquet"
        if stems.count(stem) > 1
        else f"{stem}.parquet"
        for stem, source in zip(stems, sources, strict=True)
    ]


def _remove_stale(folder: Path, names: Sequence[str]) -> None:
    """Remove the files of sources that are no more, and what a killed process left."""
    for path in folder.glob("*.parquet"):
        if path.name not in names:
            path.unlink()
    for path in folder.glob("*.tmp"):
        path.unlink()
