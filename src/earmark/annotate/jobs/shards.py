"""The shards of a job: each a range of rows of its input table, with one writer and one journal.

shards.json                      {"shards": 64}
answers-00003-of-00064.jsonl     the journal, while the shard is worked on
answers-00003-of-00064.parquet   sealed: every row answered, in the order of the table
answers-00003-of-00064.lock      the process that works on it
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import msgspec

from earmark.config import ConfigError
from earmark.io import write_text

ROWS_PER_SHARD = 50_000
"""Of a job that was not told how many shards to make."""


class Shard(msgspec.Struct, frozen=True):
    """The `index`-th of `count` runs of rows, from 0."""

    index: int
    count: int

    def rows(self, total: int) -> range:
        """Return its rows of a table of `total`."""
        return range(total * self.index // self.count, total * (self.index + 1) // self.count)

    @property
    def name(self) -> str:
        """How its files are called."""
        return f"answers-{self.index:05}-of-{self.count:05}"


def parse_shard(text: str, *, option: str = "--shard") -> Shard:
    """Return the shard that "3/64" means: the fourth of 64. `option` is where it was written.

    Raises:
        ConfigError: it is not of this form, or there is no such shard.
    """
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and int(count) > 0):
        raise ConfigError(f"{option} {text}: write INDEX/COUNT, such as 3/64")
    if int(index) >= int(count):
        last = int(count) - 1
        raise ConfigError(
            f"{option} {text}: shares are counted from 0, so the last is {last}/{count}"
        )
    return Shard(int(index), int(count))


def create_shards(folder: Path, total: int, wanted: int | None = None) -> list[Shard]:
    """Return the shards of the job in `folder`: as it was begun, else `wanted`, else by its size.

    Raises:
        ConfigError: `wanted` is another number than the job was begun with.
    """
    path = folder / "shards.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        count = wanted or max(1, -(-total // ROWS_PER_SHARD))
        fresh = path.with_name(f"{path.name}.{socket.gethostname()}-{os.getpid()}")
        write_text(fresh, msgspec.json.encode({"shards": count}).decode())
        with contextlib.suppress(FileExistsError):  # of two that begin at once, one is heeded
            os.link(fresh, path)
        fresh.unlink()
    shards = read_shards(folder)
    if wanted not in (None, len(shards)):
        raise ConfigError(
            f"{folder} was begun in {len(shards)} shards, so it cannot be gone on with in "
            f"{wanted}. Use --shard INDEX/{len(shards)}, or leave execute.shards out."
        )
    return shards


def read_shards(folder: Path) -> list[Shard]:
    """Return the shards of a job that was begun; none where it was not."""
    path = folder / "shards.json"
    if not path.exists():
        return []
    count: int = msgspec.json.decode(path.read_bytes(), type=dict[str, int])["shards"]
    return [Shard(index, count) for index in range(count)]


def sealed_path(folder: Path, shard: Shard) -> Path:
    """Return where the shard's answers are once it is finished."""
    return folder / f"{shard.name}.parquet"


def journal_path(folder: Path, shard: Shard) -> Path:
    """Return where the shard's answers are while it is being worked on."""
    return folder / f"{shard.name}.jsonl"
