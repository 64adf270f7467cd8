"""Find and measure the audio of listed clips.

Ids, durations and faults are kept in an index beside the copy, so that each file is decoded once.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import msgspec

from earmark.audio import AudioError, probe, stream
from earmark.evaluate.datasets.listing import AudioFiles, ListedClip, UnusableRow
from earmark.io import FileStamp, file_stamp, hash_file, temporary_path
from earmark.progress import track
from earmark.records import SPLITS, Example, Labels

INDEX_NAME = ".earmark-index.json"

FILES_PER_GROUP = 512  # files measured between two looks at the clock

SAVE_INTERVAL_S = 30.0


class FileInfo(msgspec.Struct, frozen=True, array_like=True):
    """What a file is, as long as its size (bytes) and modification time (ns) stay the same.

    `id` is that of `scan`: the first 32 hex digits of the SHA-256 of its bytes. Where the file is
    no usable audio, to its last sample, `fault` says so in a fixed word.
    """

    size: int
    modified_ns: int
    id: str
    duration_s: float
    fault: str = ""


class FileIndex(msgspec.Struct, frozen=True):
    """What is kept, by path below the copy's folder; one of another `form` is not believed."""

    form: Literal[2]
    files: dict[str, FileInfo]


def measure_files(folder: Path, files: Iterable[Path], title: str) -> dict[Path, FileInfo]:
    """Return what each file is; those that are new or have changed are decoded once, to the end.

    So a damaged file is known before any encoder meets it. What was found is kept in `folder`;
    where that cannot be written to, files are decoded each time.
    """
    known = _read_index(folder)
    stamps = {path: _stamp_or_missing(path) for path in dict.fromkeys(files)}
    found = {
        path: kept
        for path, stamp in stamps.items()
        if (kept := known.get(_index_key(folder, path)))
        and (kept.size, kept.modified_ns) == (stamp.bytes, stamp.modified_ns)
    }
    new = [path for path in stamps if path not in found]
    if new:
        try:
            _measure_all(folder, new, stamps, found, title)
        finally:
            _write_index(folder, new, found)
    return found


def _measure_all(
    folder: Path,
    new: Sequence[Path],
    stamps: Mapping[Path, FileStamp],
    found: dict[Path, FileInfo],
    title: str,
) -> None:
    """Measure files into `found`, in threads, and save from time to time."""
    saved_s = time.monotonic()
    with (
        track(f"files of {title}", total=len(new), unit="files") as progress,
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
    ):
        for start in range(0, len(new), FILES_PER_GROUP):
            group = new[start : start + FILES_PER_GROUP]
            for path, row in zip(
                group, pool.map(_measure_file, group, map(stamps.get, group)), strict=True
            ):
                found[path] = row
            progress.advance(len(group))
            if time.monotonic() - saved_s > SAVE_INTERVAL_S:
                _write_index(folder, new, found)
                saved_s = time.monotonic()


def _measure_file(path: Path, stamp: FileStamp) -> FileInfo:
    size, modified_ns = stamp.bytes, stamp.modified_ns
    try:
        duration_s = probe(path).duration_s
        for _ in stream(path):  # raises where the data is damaged behind a sound header
            pass
        return FileInfo(size, modified_ns, hash_file(path), duration_s)
    except AudioError as error:
        return FileInfo(size, modified_ns, "", 0.0, error.reason)
    except OSError:
        return FileInfo(size, modified_ns, "", 0.0, "unreadable")


def _stamp_or_missing(path: Path) -> FileStamp:
    try:
        return file_stamp(path)
    except OSError:
        return FileStamp(bytes=-1, modified_ns=-1)


def _index_key(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _read_index(folder: Path) -> dict[str, FileInfo]:
    try:
        return msgspec.json.decode((folder / INDEX_NAME).read_bytes(), type=FileIndex).files
    except (OSError, msgspec.DecodeError):
        return {}


def _write_index(folder: Path, new: Iterable[Path], found: Mapping[Path, FileInfo]) -> None:
    """Add what was found of new files to the index, whole or not at all.

    What another process has written in the meantime stays. A folder that is read-only stays as it
    is.
    """
    mine = {_index_key(folder, path): found[path] for path in new if path in found}
    temporary = temporary_path(folder / INDEX_NAME)
    with contextlib.suppress(OSError):
        try:
            temporary.write_bytes(msgspec.json.encode(FileIndex(2, _read_index(folder) | mine)))
            os.replace(temporary, folder / INDEX_NAME)
        finally:
            temporary.unlink(missing_ok=True)


MAX_EXAMPLES = 3  # of what was lost for one reason, as many as a message names


@dataclass
class RejectionCounts:
    """What was listed but cannot be used: by reason, how many and which ones first."""

    counts: dict[str, int] = field(default_factory=dict[str, int])
    first: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def add(self, reason: str, where: str) -> None:
        """Count one."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        named = self.first.setdefault(reason, [])
        if len(named) < MAX_EXAMPLES:
            named.append(where)

    def total(self) -> int:
        """Return how many there are."""
        return sum(self.counts.values())

    def summary(self) -> str:
        """Return the counts with examples, the most frequent reason first."""
        ranked = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return "; ".join(
            f"{count} {reason} (such as {', '.join(self.first[reason])})"
            for reason, count in ranked
        )


def skip_unusable(
    rows: Iterable[ListedClip | UnusableRow], losses: RejectionCounts
) -> Iterator[ListedClip]:
    """Yield the clips that a copy's tables tell of, and count the others."""
    for row in rows:
        if isinstance(row, UnusableRow):
            losses.add(row.reason, row.where)
        else:
            yield row


def merge_label_rows(rows: Iterable[ListedClip]) -> list[ListedClip]:
    """Return rows that differ in their labels alone as one with the labels of all.

    Such is a table in long format: a row for each label of a clip.
    """
    by_clip: dict[tuple[str, str, str, str], list[ListedClip]] = {}
    for row in rows:
        by_clip.setdefault((row.path, row.recording, row.split, row.fold), []).append(row)
    return [replace(same[0], labels=_merge_labels(same)) for same in by_clip.values()]


def _merge_labels(rows: Sequence[ListedClip]) -> Labels:
    """Return the labels of all rows, each value once, in the order listed."""
    values: dict[str, dict[str, None]] = {}
    for row in rows:
        for name, found in row.labels.items():
            values.setdefault(name, {}).update(dict.fromkeys(found))
    return {name: tuple(found) for name, found in values.items()}


def make_examples(
    listed: Iterable[ListedClip], folder: Path, title: str, losses: RejectionCounts
) -> dict[str, tuple[ListedClip, Example]]:
    """Return each clip by its id, in the order listed, as far as its audio can be used.

    Others are counted as "missing", by the reason that `earmark.audio` gives, or as "duplicate":
    of files with the same bytes one is kept, on the side that is least seen in training.
    """
    files = AudioFiles(folder)
    found = list(_locate_audio(listed, files, losses))
    measured = measure_files(folder, (path for _, path in found), title)
    chosen: dict[str, tuple[ListedClip, Example]] = {}
    for row, path in found:
        fact = measured[path]
        if fact.fault:
            losses.add(fact.fault, row.path)
            continue
        kept = chosen.get(fact.id)
        if kept is not None:
            less = _split_order(row) > _split_order(kept[0])
            losses.add("duplicate", kept[0].path if less else row.path)
            if not less:
                continue
        chosen[fact.id] = (row, _make_example(row, path, fact))
    return chosen


def _locate_audio(
    listed: Iterable[ListedClip], files: AudioFiles, losses: RejectionCounts
) -> Iterator[tuple[ListedClip, Path]]:
    for row in listed:
        path = files.find(row.path)
        if path is None:
            losses.add("missing", row.path)
        else:
            yield row, path


def _split_order(row: ListedClip) -> int:
    return SPLITS.index(row.split) if row.split else 0


def _make_example(row: ListedClip, path: Path, fact: FileInfo) -> Example:
    return Example(
        id=fact.id,
        path=str(path),
        name=row.path,
        duration_s=fact.duration_s,
        split=row.split,
        recording=row.recording or None,
        speaker=None,
        tags=(),
        tag_ids=(),
        caption="",
        summary="",
        labels=row.labels,
    )
