"""A source as numbers: one folder that is written once and then only read.

    rows.arrow         id, terms (codes into terms.parquet); batches of BATCH_ROWS rows
    terms.parquet      term, df; in the order in which the terms first occur
    hashes.npy         of all ids, each once, sorted
    repeats.npy        rows whose id an earlier row of the same source has
    rejected.parquet   rows that could not be counted
    part.json          its counts and digest

A part depends on its source's rows alone, not on how they were cut into chunks.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from jaxtyping import Int32, Int64, UInt64

from earmark.annotate.vocabulary.counting.arrays import STAGE_NAME, Chunk
from earmark.annotate.vocabulary.counting.id_hashes import distinct_hashes, hash_ids
from earmark.records import Rejected
from earmark.tables import TableWriter, stream_parquet

BATCH_ROWS = 131_072
"""Rows that are in memory at a time: about 9 MB with 7 tags each."""


class PartInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a part says of itself.

    `rows` are those that it holds, `read` those of the source; `digest` covers ids and tags.
    """

    source: str
    rows: int
    read: int
    batches: int
    digest: str
    dropped: dict[str, int]


@dataclass(frozen=True)
class RowBatch:
    """Rows of a part: `codes` are those of all rows, one row after the other."""

    lengths: Int32[np.ndarray, " rows"]
    codes: Int32[np.ndarray, " uses"]
    ids: Any = None


@dataclass(frozen=True)
class SourcePart:
    """A source that has been encoded."""

    folder: Path

    @cached_property
    def facts(self) -> PartInfo:
        """What it says of itself."""
        return msgspec.json.decode((self.folder / "part.json").read_bytes(), type=PartInfo)

    def terms(self) -> tuple[Any, Int64[np.ndarray, " terms"]]:
        """Return its distinct tags as written, in Arrow, and in how many of its rows each is."""
        import pyarrow.parquet as pq

        table: Any = pq.read_table(self.folder / "terms.parquet", use_threads=False)
        return table.column("term").combine_chunks(), table.column("df").to_numpy()

    def hashes(self) -> UInt64[np.ndarray, " rows"]:
        """Return the hashes of all ids, each once, sorted; they stay on the disk until read."""
        return np.load(self.folder / "hashes.npy", mmap_mode="r")

    def repeats(self) -> Int64[np.ndarray, " repeats"]:
        """Return the rows whose id an earlier row of the part has, rising."""
        return np.load(self.folder / "repeats.npy")

    def rejected(self) -> Iterator[Rejected]:
        """Yield the rows of the source that could not be counted."""
        return stream_parquet(self.folder / "rejected.parquet", Rejected)

    def batch(self, number: int, *, ids: bool = False) -> RowBatch:
        """Read one batch of rows; its ids only where they are asked for."""
        import pyarrow as pa

        options: Any = pa.ipc.IpcReadOptions(
            included_fields=[0, 1] if ids else [1], use_threads=False
        )
        with pa.OSFile(str(self.folder / "rows.arrow")) as file:
            rows: Any = pa.ipc.open_file(file, options=options).get_batch(number)
        terms = rows.column("terms")
        offsets = terms.offsets.to_numpy()
        codes = terms.values.to_numpy()[offsets[0] : offsets[-1]]
        return RowBatch(np.diff(offsets), codes, rows.column("id") if ids else None)


def write_part(chunks: Iterable[Chunk], source: str, folder: Path) -> SourcePart:
    """Write rows as a part; `folder` has its name only after all is in it."""
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    with (
        TableWriter(temporary / "rejected.parquet", Rejected) as rejected,
        _RowWriter(temporary) as rows,
    ):
        for chunk in chunks:
            for fault in chunk.faults:
                place = f"{source}:{rows.read + fault.row + 1}"
                detail = ": ".join(filter(None, (place if fault.id else "", fault.detail)))
                rejected.append(
                    Rejected(
                        id=fault.id or place, stage=STAGE_NAME, reason=fault.reason, detail=detail
                    )
                )
            rows.append(chunk)
    facts = rows.finish(source)
    (temporary / "part.json").write_bytes(msgspec.json.encode(facts))
    _publish(temporary, folder)
    return SourcePart(folder)


def _publish(temporary: Path, folder: Path) -> None:
    """Give a finished folder its name; what bears the name is whole, even after a power cut."""
    for path in (*temporary.iterdir(), temporary):
        _flush_to_disk(path)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)
    _flush_to_disk(folder.parent)


def _flush_to_disk(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


class _RowWriter:
    """Writes batches of exactly BATCH_ROWS rows, whatever the chunks that they come in."""

    def __init__(self, folder: Path) -> None:
        import pyarrow as pa

        self.read = 0
        self._folder = folder
        self._schema = pa.schema([("id", pa.string()), ("terms", pa.list_(pa.int32()))])
        self._codes: defaultdict[str, int] = defaultdict(itertools.count().__next__)
        self._frequencies = np.zeros(0, np.int64)
        self._hashes: list[UInt64[np.ndarray, " rows"]] = []
        self._dropped = Counter[str]()
        self._digest = hashlib.sha256()
        self._waiting: list[Any] = []
        self._rows = self._batches = self._waiting_rows = 0

    def __enter__(self) -> _RowWriter:
        import pyarrow as pa

        self._file = pa.OSFile(str(self._folder / "rows.arrow"), "wb")
        self._writer = pa.ipc.new_file(self._file, self._schema)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush(1)
            self._writer.close()
        finally:
            self._file.close()

    def append(self, chunk: Chunk) -> None:
        """Add the rows of a chunk."""
        import pyarrow as pa

        code_of = np.fromiter(map(self._codes.__getitem__, chunk.terms), np.int32)
        codes = code_of[chunk.codes] if len(chunk.codes) else chunk.codes
        offsets = np.concatenate([[0], np.cumsum(chunk.lengths)]).astype(np.int32)
        terms = pa.ListArray.from_arrays(pa.array(offsets), pa.array(codes))
        self._waiting.append(pa.record_batch([chunk.ids, terms], schema=self._schema))
        self._waiting_rows += len(chunk.lengths)
        self._hashes.append(hash_ids(chunk.ids))
        self._dropped.update(chunk.dropped)
        self.read += chunk.rows
        self._flush(BATCH_ROWS)

    def finish(self, source: str) -> PartInfo:
        """Write what is known only at the end."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        terms = pa.table({"term": pa.array(self._codes, pa.string()), "df": self._frequencies})
        pq.write_table(terms, self._folder / "terms.parquet", compression="zstd")
        every = np.concatenate([np.empty(0, np.uint64), *self._hashes])
        self._hashes.clear()  # 86 MB of ten million rows
        hashes, repeats = distinct_hashes(every)
        np.save(self._folder / "hashes.npy", hashes)
        np.save(self._folder / "repeats.npy", repeats)
        self._digest.update(msgspec.json.encode(list(self._codes)))
        return PartInfo(
            source=source,
            rows=self._rows,
            read=self.read,
            batches=self._batches,
            digest=self._digest.hexdigest(),
            dropped=dict(sorted(self._dropped.items())),
        )

    def _flush(self, least: int) -> None:
        """Write full batches while at least `least` rows wait."""
        import pyarrow as pa

        if self._waiting_rows < least:
            return
        table: Any = pa.Table.from_batches(self._waiting).combine_chunks()
        while table.num_rows >= least:
            self._write(table.slice(0, BATCH_ROWS).to_batches()[0])
            table = table.slice(BATCH_ROWS)
        self._waiting = table.to_batches()
        self._waiting_rows = table.num_rows

    def _write(self, rows: Any) -> None:
        self._writer.write_batch(rows)
        self._batches += 1
        self._rows += rows.num_rows
        terms = rows.column("terms")
        offsets = terms.offsets.to_numpy()
        codes = terms.values.to_numpy()[offsets[0] : offsets[-1]]
        counted = np.bincount(codes, minlength=len(self._codes))
        counted[: len(self._frequencies)] += self._frequencies
        self._frequencies = counted
        for array in (np.diff(offsets), codes):
            self._digest.update(array.tobytes())
        self._digest.update(_id_bytes(rows.column("id")))


def _id_bytes(ids: Any) -> bytes | memoryview:
    """Return all characters of an Arrow array of strings, which end to end still differ."""
    _, offsets, data = ids.buffers()
    bounds = np.frombuffer(offsets, np.int32)[ids.offset : ids.offset + len(ids) + 1]
    lengths = np.diff(bounds).tobytes()
    return lengths + (memoryview(data)[bounds[0] : bounds[-1]] if data is not None else b"")
