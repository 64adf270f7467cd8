"""Decode files block by block, and write their vectors: an array, and the names of its rows.

Free of torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Float32

from earmark import audio
from earmark.config import ConfigError

BLOCK_S = 240.0
"""Seconds of waves, about, that are held at a time."""


@dataclass(frozen=True)
class UnreadableFile:
    """A file that cannot be decoded: `reason` is a short fixed word, `detail` is for people."""

    file: Path
    reason: str
    detail: str


@dataclass(frozen=True)
class DecodedBlock:
    """Some files with their waves, mono in [-1, 1], and those that were lost among them."""

    files: list[Path] = field(default_factory=list[Path])
    waves: list[Float32[np.ndarray, " _"]] = field(default_factory=list[Float32[np.ndarray, " _"]])
    lost: list[UnreadableFile] = field(default_factory=list[UnreadableFile])


def decode_files(files: Iterable[Path], sample_rate: int) -> Iterator[DecodedBlock]:
    """Yield files and their waves at `sample_rate` Hz, in order, about `BLOCK_S` seconds a block.

    Each file is in one block: with its wave, or among the lost with its reason.
    """
    block, samples = DecodedBlock(), 0
    for file in files:
        try:
            wave = load_wave(file, sample_rate)
        except audio.AudioError as error:
            block.lost.append(UnreadableFile(file, error.reason, str(error)))
            continue
        block.files.append(file)
        block.waves.append(wave)
        samples += wave.size
        if samples >= BLOCK_S * sample_rate:
            yield block
            block, samples = DecodedBlock(), 0
    if block.files or block.lost:
        yield block


def load_wave(
    file: str | Path, sample_rate: int, start_s: float = 0.0, duration_s: float | None = None
) -> Float32[np.ndarray, " samples"]:
    """Return a file's samples, at least one; as `earmark.audio.load`.

    Raises:
        AudioError: as there, or "empty" where nothing is left at `sample_rate` Hz.
    """
    wave = audio.load(file, sample_rate, start_s=start_s, duration_s=duration_s)
    if wave.size == 0:
        raise audio.AudioError("empty", f"{file} is shorter than a sample at {sample_rate} Hz")
    return wave


class RejectedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file without a vector; `reason` is a short fixed word, `detail` is for people."""

    file: str
    reason: str
    detail: str


class VectorRows(msgspec.Struct, frozen=True, kw_only=True):
    """What the JSON file beside the array holds: the files of its rows, in order, and the lost."""

    files: tuple[str, ...]
    lost: tuple[RejectedFile, ...]


def row_names_path(out: Path) -> Path:
    """Return where the names of an array's rows are: vectors.json of vectors.npy.

    Raises:
        ConfigError: `out` does not end in .npy, or its folder is not there.
    """
    if out.suffix != ".npy":
        raise ConfigError(f"--out {out} should end in .npy, such as {out.with_suffix('.npy')}.")
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}. Make it first.")
    return out.with_suffix(".json")


def write_vectors(
    out: Path,
    files: Sequence[Path],
    vectors: Float32[np.ndarray, "files dim"],
    lost: Sequence[UnreadableFile],
) -> None:
    """Write an array [files, dim] and its rows' names (`VectorRows`), each whole or not at all.

    Raises:
        ConfigError: as `row_names_path`.
    """
    rows = tuple(
        RejectedFile(file=str(each.file), reason=each.reason, detail=each.detail) for each in lost
    )
    names = VectorRows(files=tuple(map(str, files)), lost=rows)
    beside = row_names_path(out)
    parts = [path.with_name(f"{path.name}.{os.getpid()}.tmp") for path in (out, beside)]
    try:
        with open(parts[0], "wb") as stream:
            np.save(stream, vectors)
        parts[1].write_bytes(msgspec.json.format(msgspec.json.encode(names), indent=2) + b"\n")
        os.replace(parts[0], out)
        os.replace(parts[1], beside)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
