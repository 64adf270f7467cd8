"""Build or update the index of some audio files: only new and changed files are encoded."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32

from earmark import audio
from earmark.config import ConfigError
from earmark.corpora.folder import FolderConfig
from earmark.io import FileStamp
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.inference.embed import load_wave
from earmark.pretrain.inference.index import (
    IndexedFile,
    IndexWriter,
    SearchIndex,
    UnindexedFile,
    load_index,
)
from earmark.progress import track
from earmark.records import AudioSpan, Rejected

log = logging.getLogger("earmark")

MAX_WINDOW_S = 30.0
"""Longer files are cut into equal windows of at most this."""
WINDOWS_PER_BATCH = 8
"""Files of more windows are listened to by themselves, so many windows at a time."""
MAX_DECODED_S = WINDOWS_PER_BATCH * MAX_WINDOW_S
"""Seconds of waves, at most, that are held before they are encoded together."""

INDEX_PREFIX = ".earmark-index"
"""How the names of indexes that lie in the folders of the sounds begin."""

VectorPrecision = Literal["float32", "float16"]
AudioWindow = tuple[float, Float32[np.ndarray, " _"]]
"""Where it begins in its file, seconds, and its samples."""


@dataclass(frozen=True)
class AudioTextEncoder:
    """An encoder, and how its frames become unit vectors that can be held against those of texts.

    `objective` is a contrastive one, `fingerprint` that of the checkpoint both are from.
    """

    encoder: Encoder
    objective: Any
    fingerprint: str


@dataclass(frozen=True)
class FileVectors:
    """A file's vectors and where its windows begin."""

    vectors: Float32[np.ndarray, "windows space"]
    starts_s: Float32[np.ndarray, " windows"]


@dataclass
class IndexContents:
    """What is in the index so far, by relative path."""

    heard: dict[str, tuple[FileStamp, FileVectors]] = field(
        default_factory=dict[str, tuple[FileStamp, FileVectors]]
    )
    lost: dict[str, UnindexedFile] = field(default_factory=dict[str, UnindexedFile])


def checkpoint_digest(folder: Path) -> str:
    """Return 12 hex digits of all that shapes a checkpoint's vectors: its settings and weights."""
    digest = hashlib.sha256()
    names = ("config.json", "materials.json", "model.safetensors", "objective.safetensors")
    words = sorted(path for path in (folder / "tokenizers").glob("**/*") if path.is_file())
    for path in (*(folder / name for name in names), *words):
        digest.update(path.relative_to(folder).as_posix().encode())
        with open(path, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:12]


def build_index(
    listener: AudioTextEncoder,
    sounds: Path | Sequence[Path],
    path: Path | None,
    *,
    precision: VectorPrecision = "float32",
    clock: Callable[[], float] = time.monotonic,
) -> SearchIndex:
    """Bring the index at `path` up to date with some sounds, and return it.

    Files that it has with equal size and modification time are not opened again; those that are
    gone leave it. An index of another checkpoint is made from nothing, which the log says. What
    cannot be listened to is in `lost`, with a reason. Where the file could not be written is found
    before the first sound is listened to. What is done is saved every `SAVE_EVERY_S` seconds, and
    when stopped; where nothing has changed nothing is written, so that a finished index may lie in
    a folder that only can be read.

    Args:
        listener: of a contrastive checkpoint.
        sounds: a folder, whose audio files at any depth are taken, or files.
        path: the index file; None keeps nothing on the disk.
        precision: of the vectors on the disk.
        clock: seconds, from any beginning.

    Raises:
        ConfigError: the folder is not there or holds no audio, or the index cannot be read or
            written.
    """
    folder, found, lost = _list_files(sounds, path)
    keeper = IndexWriter(path, clock)
    work = _load_unchanged(listener, path, folder, found, keeper)
    work.lost |= lost
    wanted = [name for name in found if name not in work.heard and name not in work.lost]
    if wanted:
        keeper.check()
    try:
        with track("listening", total=len(wanted), unit="files") as progress:
            for done in _embed_files(listener, folder, wanted, found, work):
                progress.advance(done)
                if keeper.is_due:
                    keeper.save(_to_index(work, folder, listener, precision))
    finally:
        index = _to_index(work, folder, listener, precision)
        keeper.save(index)
    return index


def _list_files(
    sounds: Path | Sequence[Path], path: Path | None
) -> tuple[Path, dict[str, FileStamp], dict[str, UnindexedFile]]:
    """Return the folder, the stamps of the files in it, and what is no audio; own files aside."""
    if isinstance(sounds, Path):
        folder = Path(os.path.abspath(sounds))
        rows = list(FolderConfig(path=str(folder)).build().rows(folder))
        names = [row.name for row in rows if not isinstance(row, Rejected)]
        lost = {
            row.id: UnindexedFile(path=row.id, reason=row.reason, detail=row.detail)
            for row in rows
            if isinstance(row, Rejected) and not _is_index_file(folder / row.id, path)
        }
    else:
        files = [Path(os.path.abspath(sound)) for sound in sounds]
        if not files:
            raise ConfigError("There are no files to search in: give a folder, or files.")
        folder = Path(os.path.commonpath([file.parent for file in files]))
        names, lost = (
            [file.relative_to(folder).as_posix() for file in files],
            dict[str, UnindexedFile](),
        )
    stamps: dict[str, FileStamp] = {}
    for name in names:
        try:
            status = os.stat(folder / name)
        except OSError as error:
            lost[name] = UnindexedFile(path=name, reason="unreadable", detail=str(error.strerror))
        else:
            stamps[name] = FileStamp(bytes=status.st_size, modified_ns=status.st_mtime_ns)
    return folder, stamps, lost


def _is_index_file(file: Path, path: Path | None) -> bool:
    """Return whether a file is an index, or one that is being written."""
    if file.name.startswith(INDEX_PREFIX):
        return True
    if path is None or file.parent != Path(os.path.abspath(path.parent)):
        return False
    rest = file.name.removeprefix(path.name)
    return rest == "" or (rest != file.name and rest.endswith(".tmp"))


def _load_unchanged(
    listener: AudioTextEncoder,
    path: Path | None,
    folder: Path,
    found: dict[str, FileStamp],
    keeper: IndexWriter,
) -> IndexContents:
    """Return what the index file has of the files that are still as they were."""
    work = IndexContents()
    if path is None or not path.is_file():
        return work
    index = load_index(path)
    if index.checkpoint != listener.fingerprint or index.folder != folder:
        other = "checkpoint" if index.checkpoint != listener.fingerprint else "folder"
        log.warning("%s is of another %s: it is made from nothing.", path, other)
        return work
    keeper.has(index)
    firsts = np.searchsorted(index.owners, np.arange(len(index.files) + 1))
    for place, entry in enumerate(index.files):
        own = slice(firsts[place], firsts[place + 1])
        if found.get(entry.path) == entry.stamp:
            vectors = index.vectors[own].astype(np.float32)
            work.heard[entry.path] = entry.stamp, FileVectors(vectors, index.starts_s[own])
    for row in index.lost:
        if row.stamp is not None and found.get(row.path) == row.stamp:
            work.lost[row.path] = row
    return work


def _embed_files(
    listener: AudioTextEncoder,
    folder: Path,
    wanted: Sequence[str],
    stamps: dict[str, FileStamp],
    work: IndexContents,
) -> Iterator[int]:
    """Fill `work` with the files that are wanted; yield how many more are done."""
    held: dict[str, list[AudioWindow]] = {}
    seconds = 0.0
    for name in wanted:
        try:
            spans = file_windows(folder / name)
            if len(spans) > WINDOWS_PER_BATCH:
                work.heard[name] = stamps[name], _embed_long_file(listener, spans)
                yield 1
                continue
            held[name] = _load_windows(spans, listener.encoder.sample_rate)
        except audio.AudioError as error:
            reason, stamp = error.reason, stamps[name]
            work.lost[name] = UnindexedFile(
                path=name, reason=reason, detail=str(error), stamp=stamp
            )
            yield 1
            continue
        seconds += len(spans) * MAX_WINDOW_S
        if seconds >= MAX_DECODED_S:
            yield _embed_batch(listener, held, stamps, work)
            held, seconds = {}, 0.0
    if held:
        yield _embed_batch(listener, held, stamps, work)


def file_windows(path: Path) -> list[AudioSpan]:
    """Return equal windows of at most 30 s that make up a file.

    Raises:
        AudioError: it cannot be opened.
    """
    duration_s = audio.probe(path).duration_s
    number = max(1, math.ceil(duration_s / MAX_WINDOW_S))
    length_s = duration_s / number
    # The last goes to the file's end, whatever its header made of the duration.
    lengths = [*[length_s] * (number - 1), None]
    return [AudioSpan(str(path), place * length_s, length) for place, length in enumerate(lengths)]


def _load_windows(spans: Sequence[AudioSpan], sample_rate: int) -> list[AudioWindow]:
    return [
        (
            span.start_s,
            load_wave(span.path, sample_rate, span.start_s, span.duration_s),
        )
        for span in spans
    ]


def _embed_batch(
    listener: AudioTextEncoder,
    held: dict[str, list[AudioWindow]],
    stamps: dict[str, FileStamp],
    work: IndexContents,
) -> int:
    """Embed the windows of several files together; return how many files."""
    heard = _embed_windows(listener, [window for windows in held.values() for window in windows])
    first = 0
    for name, windows in held.items():
        own = slice(first, first + len(windows))
        work.heard[name] = stamps[name], FileVectors(heard.vectors[own], heard.starts_s[own])
        first += len(windows)
    return len(held)


def _embed_long_file(listener: AudioTextEncoder, spans: Sequence[AudioSpan]) -> FileVectors:
    """Embed a file of any length, some windows at a time."""
    parts = [
        _embed_windows(
            listener,
            _load_windows(spans[first : first + WINDOWS_PER_BATCH], listener.encoder.sample_rate),
        )
        for first in range(0, len(spans), WINDOWS_PER_BATCH)
    ]
    return FileVectors(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.starts_s for part in parts]),
    )


def _embed_windows(listener: AudioTextEncoder, windows: Sequence[AudioWindow]) -> FileVectors:
    vectors = np.zeros((len(windows), listener.objective.config.dim), dtype=np.float32)
    for places, encoded in listener.encoder.encode([wave for _, wave in windows]):
        with torch.inference_mode():
            vectors[places] = listener.objective.embed_audio(encoded).float().cpu().numpy()
    return FileVectors(vectors, np.array([start_s for start_s, _ in windows], dtype=np.float32))


def _to_index(
    work: IndexContents, folder: Path, listener: AudioTextEncoder, precision: VectorPrecision
) -> SearchIndex:
    names = sorted(work.heard)
    heard = [work.heard[name][1] for name in names]
    empty = np.zeros((0, listener.objective.config.dim), dtype=np.float32)
    counts = [len(one.starts_s) for one in heard]
    return SearchIndex(
        folder=folder,
        checkpoint=listener.fingerprint,
        files=tuple(IndexedFile(path=name, stamp=work.heard[name][0]) for name in names),
        lost=tuple(work.lost[name] for name in sorted(work.lost)),
        vectors=np.concatenate([empty, *(one.vectors for one in heard)]).astype(precision),
        owners=np.repeat(np.arange(len(names), dtype=np.int32), counts),
        starts_s=np.concatenate([np.zeros(0, np.float32), *(one.starts_s for one in heard)]),
    )
