"""Files of JSON lines, plain or compressed, read in blocks of whole lines, by threads or
processes.

Decoding makes Python objects, so threads would wait for each other: large plain files are decoded
in processes. Each process is this module, run with `python -m`: it reads tasks from its standard
input, writes chunks to its standard output, and ends when its input is closed, however its parent
ends.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.annotate.vocabulary.counting.arrays import Chunk, map_in_order, thread_count
from earmark.annotate.vocabulary.counting.json_rows import JsonRow, decode_block, detect_row_type
from earmark.config import ConfigError
from earmark.workspace import StageError

BLOCK_BYTES = 16 << 20
"""Decoded text that is worked on at a time."""

PROCESS_BYTES = 256 << 20
"""Plain files from this size on are decoded in processes, which take half a second to start."""

COMPRESSED_SUFFIXES = {".gz": "gzip", ".zst": "zstd"}


def read_json_chunks(path: Path, *, workers: int) -> Iterator[Chunk]:
    """Yield the rows of a file of JSON lines in order; .gz and .zst are unpacked on the way.

    Raises:
        ConfigError: the packed file is damaged.
    """
    kind = detect_row_type(
        _decompress(path) if path.suffix in COMPRESSED_SUFFIXES else _iter_lines(path)
    )
    if path.suffix in COMPRESSED_SUFFIXES:
        yield from map_in_order(lambda block: decode_block(block, kind), _decompress(path), workers)
        return
    tasks = (DecodeTask(str(path), kind, *place) for place in _block_ranges(path))
    if thread_count(workers) > 1 and path.stat().st_size >= PROCESS_BYTES:
        with decoder_processes(thread_count(workers)) as decode:
            yield from map_in_order(decode, tasks, workers)
    else:
        yield from map_in_order(decode_task, tasks, workers)


def _decompress(path: Path) -> Iterator[bytes]:
    """Yield whole lines of a packed file, about BLOCK_BYTES at a time."""
    import pyarrow as pa

    rest = b""
    try:
        with pa.input_stream(str(path), compression=COMPRESSED_SUFFIXES[path.suffix]) as stream:
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


def _block_ranges(path: Path) -> Iterator[tuple[int, int]]:
    """Yield (start, bytes) of whole lines of a plain file, about BLOCK_BYTES at a time."""
    size = path.stat().st_size
    start = 0
    with open(path, "rb") as file:
        while start < size:
            file.seek(min(start + BLOCK_BYTES, size))
            file.readline()
            yield start, file.tell() - start
            start = file.tell()


def _iter_lines(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        yield from file


_MALLOC_SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the most that glibc takes; a block is half of it
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
}
"""Lets a process use the memory of one block again for the next, see mallopt(3).

Given back and fetched anew, page by page, it took a quarter of the time.
"""


@dataclass(frozen=True)
class DecodeTask:
    """Whole lines of a plain file, from byte `start` on, each meant to be a row of `kind`."""

    path: str
    kind: type[JsonRow]
    start: int
    length: int


def decode_task(task: DecodeTask) -> Chunk:
    """Read and decode some lines."""
    with open(task.path, "rb", buffering=0) as file:
        file.seek(task.start)
        return decode_block(file.read(task.length), task.kind)


@contextmanager
def decoder_processes(count: int) -> Generator[Callable[[DecodeTask], Chunk]]:
    """Start processes, and give what `decode_task` gives, done by one of them that is idle.

    Raises:
        StageError: from the function, when a process was killed.
    """
    started = [_start_process() for _ in range(count)]
    idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for process in started:
        idle.put(process)

    def decode(task: DecodeTask) -> Chunk:
        process = idle.get()
        try:
            return _run_task(process, task)
        finally:
            idle.put(process)

    try:
        yield decode
    finally:
        for process in started:
            process.kill()
            process.communicate()


def _start_process() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_MALLOC_SETTINGS | os.environ,
    )


def _run_task(process: subprocess.Popen[bytes], task: DecodeTask) -> Chunk:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        pickle.dump(task, process.stdin)
        process.stdin.flush()
        return pickle.load(process.stdout)
    except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
        raise StageError(
            f"a process that read {task.path} ended with code {process.wait()}; its own words are "
            "on standard error. Out of memory? Give fewer workers."
        ) from error


def serve_tasks() -> None:
    """Answer tasks until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and closes the pipe
    while True:
        try:
            task = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(decode_task(task), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    serve_tasks()
