"""log.jsonl: one row a line, without gaps or repetitions however often a run was killed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

BLOCK = 1 << 16
"""Bytes that are read at a time, from the end: what is cut is short, however long the log is."""


class Log:
    """An open log, from which what is about to come again has been cut.

    Args:
        path: of the file, which may not be there yet.
        step: rows after it are cut.
        owes_validation: whether the validation of that step is to come as well.
    """

    def __init__(self, path: Path, *, step: int, owes_validation: bool = False) -> None:
        self._path = path
        self._last = step, "train" if owes_validation else "validation"
        path.touch()
        with open(path, "r+b") as stream:
            stream.truncate(self._end(stream))

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a row; "step" and "split" must be in it."""
        with open(self._path, "ab") as stream:
            stream.write(msgspec.json.encode(row) + b"\n")

    def _end(self, stream: BinaryIO) -> int:
        """Return where the last row ends that stays; a kill may have torn the one behind it."""
        start = stream.seek(0, os.SEEK_END)
        tail = b""
        while start:
            size = min(BLOCK, start)
            start = stream.seek(start - size)
            tail = stream.read(size) + tail
            whole = tail if start == 0 else tail.partition(b"\n")[2]
            end = start + len(tail)
            for line in reversed(whole.splitlines(keepends=True)):
                if line.endswith(b"\n") and self._stays(line):
                    return end
                end -= len(line)
        return 0

    def _stays(self, line: bytes) -> bool:
        row = msgspec.json.decode(line)
        return (row["step"], row["split"]) <= self._last
