"""Ids and durations of audio files, kept beside a copy so that each file is read once."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from earmark.annotate.scan import hash_file
from earmark.audio import AudioError, probe
from earmark.progress import track

INDEX = ".earmark-index.json"
GROUP = 512  # files measured between two looks at the clock
SAVED_EVERY_S = 30.0


class Measured(msgspec.Struct, frozen=True, array_like=True):
    """What a file is, as long as its size (bytes) and modification time (ns) stay the same.

    `id` is that of `scan`: the first 32 hex digits of the SHA-256 of its bytes. Where the file is
    no usable audio, `fault` says so in a fixed word.
    """

    size: int
    modified_ns: int
    id: str
    duration_s: float
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells that a file has not changed."""

    size: int
    modified_ns: int


def measure(folder: Path, files: Iterable[Path], title: str) -> dict[Path, Measured]:
    """Return what each file is; the bytes of those that are new or have changed are read once.

    What was found is kept in `folder`; where that cannot be written to, it is read each time.
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
            _measure_all(folder, new, stamps, known, found, title)
        finally:
            _write(folder, known)
    return found


def _measure_all(
    folder: Path,
    new: Sequence[Path],
    stamps: Mapping[Path, Stamp],
    known: dict[str, Measured],
    found: dict[Path, Measured],
    title: str,
) -> None:
    """Measure files into `known` and `found`, in threads, and save from time to time."""
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
                found[path] = known[_key(folder, path)] = row
            progress.advance(len(group))
            if time.monotonic() - saved_s > SAVED_EVERY_S:
                _write(folder, known)
                saved_s = time.monotonic()


def _listen(path: Path, stamp: Stamp) -> Measured:
    size, modified_ns = stamp.size, stamp.modified_ns
    try:
        return Measured(size, modified_ns, hash_file(path), probe(path).duration_s)
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
        return msgspec.json.decode((folder / INDEX).read_bytes(), type=dict[str, Measured])
    except (OSError, msgspec.DecodeError):
        return {}


def _write(folder: Path, known: Mapping[str, Measured]) -> None:
    """Keep an index, whole or not at all; a folder that is read-only stays as it is."""
    temporary = folder / f"{INDEX}.{os.getpid()}.tmp"
    with contextlib.suppress(OSError):
        try:
            temporary.write_bytes(msgspec.json.encode(known))
            os.replace(temporary, folder / INDEX)
        finally:
            temporary.unlink(missing_ok=True)
