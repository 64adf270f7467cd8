"""A crash-safe journal of finished rows: rows that are not in it are still to do.

One JSON object a line. Rows are appended in groups and flushed to the disk before `append`
returns. After a kill the last line may be torn: opening the journal cuts it off, so that the row
is done again. Nothing is ever rewritten in place.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from earmark.records import Row

R = TypeVar("R", bound=Row)


class Journal(Generic[R]):
    """An open journal of rows of one kind.

    It holds nothing in memory: what is done already, its owner reads from `rows`.

    Args:
        path: the file; it is created where it does not exist.
        kind: the row type.

    Raises:
        OSError: the folder cannot be written or the disk is full; nothing written before is lost.
    """

    def __init__(self, path: Path, kind: type[R]) -> None:
        self.path = path
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(kind)
        _drop_torn_line(path)
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - closed by close()

    def append(self, rows: Sequence[R]) -> None:
        """Add rows; when this returns they are on the disk, and when it raises none of them is."""
        if not rows:
            return
        size = self._file.seek(0, os.SEEK_END)
        try:
            self._write(b"".join(self._encoder.encode(row) + b"\n" for row in rows))
        except OSError:
            # A full disk may have taken half a row; the next one must not be glued to it.
            self._file.truncate(size)
            raise

    def rows(self) -> Iterator[R]:
        """Yield every row, oldest first. Raises as `located`."""
        for _, row in self.located():
            yield row

    def located(self) -> Iterator[tuple[int, R]]:
        """Yield every row with its place in the file, for `read`.

        Raises:
            ValueError: a line before the last is not a row.
        """
        place = 0
        with open(self.path, "rb") as stream:
            for number, line in enumerate(stream, start=1):
                try:
                    yield place, self._decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise ValueError(f"{self.path}:{number} is damaged: {error}") from None
                place += len(line)

    def read(self, places: Iterable[int]) -> Iterator[R]:
        """Yield the rows at these places, in this order."""
        with open(self.path, "rb") as stream:
            for place in places:
                stream.seek(place)
                yield self._decoder.decode(stream.readline())

    def close(self) -> None:
        """Close the file; the journal can be opened again."""
        self._file.close()

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]
        os.fsync(self._file.fileno())


def _drop_torn_line(path: Path) -> None:
    """Drop what follows the last newline: a row that a crash cut short."""
    if not path.exists():
        return
    with open(path, "rb+") as stream:
        end = size = stream.seek(0, os.SEEK_END)
        while end > 0:
            start = max(end - 65536, 0)
            stream.seek(start)
            newline = stream.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            stream.truncate(end)
