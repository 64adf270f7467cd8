"""Decoding JSON lines in processes: Python objects are made, so threads would wait for each other.

Each process is this module, run with `python -m`: it reads tasks from its standard input, writes
chunks to its standard output, and ends when its input is closed, however its parent ends.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from earmark.annotate.vocabulary.counting.chunks import Chunk
from earmark.annotate.vocabulary.counting.json_rows import Row, decode_block
from earmark.workspace import StageError

_KEEPS_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the most that glibc takes; a block is half of it
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
}
"""Lets a process use the memory of one block again for the next, see mallopt(3).

Given back and fetched anew, page by page, it took a quarter of the time.
"""


@dataclass(frozen=True)
class Task:
    """Whole lines of a plain file, from byte `start` on, each meant to be a row of `kind`."""

    path: str
    kind: type[Row]
    start: int
    length: int


def decode_task(task: Task) -> Chunk:
    """Read and decode some lines."""
    with open(task.path, "rb", buffering=0) as file:
        file.seek(task.start)
        return decode_block(file.read(task.length), task.kind)


@contextmanager
def processes(count: int) -> Generator[Callable[[Task], Chunk]]:
    """Start processes, and give what `decode_task` gives, done by one of them that is idle.

    Raises:
        StageError: from the function, when a process was killed.
    """
    started = [_start() for _ in range(count)]
    idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for process in started:
        idle.put(process)

    def decode(task: Task) -> Chunk:
        process = idle.get()
        try:
            return _ask(process, task)
        finally:
            idle.put(process)

    try:
        yield decode
    finally:
        for process in started:
            process.kill()
            process.communicate()


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_KEEPS_MEMORY | os.environ,
    )


def _ask(process: subprocess.Popen[bytes], task: Task) -> Chunk:
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


def main() -> None:
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
    main()
