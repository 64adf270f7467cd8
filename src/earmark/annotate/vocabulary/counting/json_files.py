"""Files of JSON lines, plain or packed, cut into blocks of whole lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from earmark.annotate.vocabulary.counting.arrays import in_order, threads
from earmark.annotate.vocabulary.counting.chunks import Chunk
from earmark.annotate.vocabulary.counting.json_processes import Task, decode_task, processes
from earmark.annotate.vocabulary.counting.json_rows import decode_block, form_of
from earmark.config import ConfigError

BLOCK_BYTES = 16 << 20
"""Decoded text that is worked on at a time."""
PROCESS_BYTES = 256 << 20
"""Plain files from this size on are decoded in processes, which take half a second to start."""
PACKED_SUFFIXES = {".gz": "gzip", ".zst": "zstd"}


def read_json_chunks(path: Path, *, workers: int) -> Iterator[Chunk]:
    """Yield the rows of a file of JSON lines in order; .gz and .zst are unpacked on the way.

    Raises:
        ConfigError: the packed file is damaged.
    """
    kind = form_of(_unpack(path) if path.suffix in PACKED_SUFFIXES else _lines(path))
    if path.suffix in PACKED_SUFFIXES:
        yield from in_order(lambda block: decode_block(block, kind), _unpack(path), workers)
        return
    tasks = (Task(str(path), kind, *place) for place in _places(path))
    if threads(workers) > 1 and path.stat().st_size >= PROCESS_BYTES:
        with processes(threads(workers)) as decode:
            yield from in_order(decode, tasks, workers)
    else:
        yield from in_order(decode_task, tasks, workers)


def _unpack(path: Path) -> Iterator[bytes]:
    """Yield whole lines of a packed file, about BLOCK_BYTES at a time."""
    import pyarrow as pa

    rest = b""
    try:
        with pa.input_stream(str(path), compression=PACKED_SUFFIXES[path.suffix]) as stream:
            while read := stream.read(BLOCK_BYTES):
                whole = rest + read
                end = whole.rfind(b"\n") + 1
                rest = whole[end:]
                if end:
                    yield whole[:end]
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"{path} cannot be unpacked; fetch or make it again: {error}") from None
    if rest:
        yield rest


def _places(path: Path) -> Iterator[tuple[int, int]]:
    """Yield (start, bytes) of whole lines of a plain file, about BLOCK_BYTES at a time."""
    size = path.stat().st_size
    start = 0
    with open(path, "rb") as file:
        while start < size:
            file.seek(min(start + BLOCK_BYTES, size))
            file.readline()
            yield start, file.tell() - start
            start = file.tell()


def _lines(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        yield from file
