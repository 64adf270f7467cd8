"""Ids, durations and faults of audio files, kept beside a copy so that each is decoded once."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from earmark.annotate.scan import hash_file
from earmark.audio import AudioError, probe, stream
from earmark.progress import track
from earmark.workspace import temporary_of

INDEX = ".earmark-index.json"
GROUP = 512  # files measured between two looks at the clock
SAVED_EVERY_S = 30.0


class Measured(msgspec.Struct, frozen=True, array_like=True):
    """What a file is, as long as its size (bytes) and modification time (ns) stay the same.

    `id` is that of `scan`: the first 32 hex digits of the SHA-256 of its bytes. Where the file is
    no usable audio, to its last sample, `fault` says so in a fixed word.
    """

    size: int
    modified_ns: int
    id: str
    duration_s: float
    fault: str = ""


class Index(msgspec.Struct, frozen=True):
    """What is kept, by path below the copy's folder; one of another `form` is not believed."""

    form: Literal[2]
    files: dict[str, Measured]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells that a file has not changed."""

    size: int
    modified_ns: int


def measure(folder: Path, files: Iterable[Path], title: str) -> dict[Path, Measured]:
    """Return what each file is; those that are new or have changed are decoded once, to the end.

    So a damaged file is known before any encoder meets it. What was found is kept in `folder`;
    where that cannot be written to, files are decoded each time.
    """
    known = _read(folder)
    stamps = {path: _stamp(path) for path in dict.fromkeys(files)}
    found = {
        path: kept
        for path, stamp in stamps.items()
        if (kept := known.get(_key(folder, path)))
        and (kept.size, kept.modified_ns) == (stamp.size, stamp.modified_ns)
    }
    new = [path for path in stamps if path not in found]
    if new:
        try:
            _measure_all(folder, new, stamps, found, title)
        finally:
            _write(folder, new, found)
    return found


def _measure_all(
    folder: Path,
    new: Sequence[Path],
    stamps: Mapping[Path, Stamp],
    found: dict[Path, Measured],
    title: str,
) -> None:
    """Measure files into `found`, in threads, and save from time to time."""
    saved_s = time.monotonic()
    with (
        track(f"files of {title}", total=len(new), unit="files") as progress,
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
    ):
        for start in range(0, len(new), GROUP):
            group = new[start : start + GROUP]
            for path, row in zip(
                group, pool.map(_listen, group, map(stamps.get, group)), strict=True
            ):
                found[path] = row
            progress.advance(len(group))
            if time.monotonic() - saved_s > SAVED_EVERY_S:
                _write(folder, new, found)
                saved_s = time.monotonic()


def _listen(path: Path, stamp: Stamp) -> Measured:
    size, modified_ns = stamp.size, stamp.modified_ns
    try:
        duration_s = probe(path).duration_s
        for _ in stream(path):  # raises where the data is damaged behind a sound header
            pass
        return Measured(size, modified_ns, hash_file(path), duration_s)
    except AudioError as error:
        return Measured(size, modified_ns, "", 0.0, error.reason)
    except OSError:
        return Measured(size, modified_ns, "", 0.0, "unreadable")


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return Stamp(-1, -1)
    return Stamp(status.st_size, status.st_mtime_ns)


def _key(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _read(folder: Path) -> dict[str, Measured]:
    try:
        return msgspec.json.decode((folder / INDEX).read_bytes(), type=Index).files
    except (OSError, msgspec.DecodeError):
        return {}


def _write(folder: Path, new: Iterable[Path], found: Mapping[Path, Measured]) -> None:
    """Add what was found of new files to the index, whole or not at all.

    What another process has written in the meantime stays. A folder that is read-only stays as it
    is.
    """
    mine = {_key(folder, path): found[path] for path in new if path in found}
    temporary = temporary_of(folder / INDEX)
    with contextlib.suppress(OSError):
        try:
            temporary.write_bytes(msgspec.json.encode(Index(2, _read(folder) | mine)))
            os.replace(temporary, folder / INDEX)
        finally:
            temporary.unlink(missing_ok=True)
