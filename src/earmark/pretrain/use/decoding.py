"""Files to waves, block by block; what cannot be decoded is told, and the others go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from earmark import audio

BLOCK_S = 240.0
"""Seconds of waves, about, that are held at a time."""


@dataclass(frozen=True)
class Undecoded:
    """A file that cannot be decoded: `reason` is a short fixed word, `detail` is for people."""

    file: Path
    reason: str
    detail: str


@dataclass(frozen=True)
class Block:
    """Some files with their waves, mono in [-1, 1], and those that were lost among them."""

    files: list[Path] = field(default_factory=list[Path])
    waves: list[Float32[np.ndarray, " _"]] = field(default_factory=list[Float32[np.ndarray, " _"]])
    lost: list[Undecoded] = field(default_factory=list[Undecoded])


def decode(files: Iterable[Path], sample_rate: int) -> Iterator[Block]:
    """Yield files and their waves at `sample_rate` Hz, in order, about `BLOCK_S` seconds a block.

    Each file is in one block: with its wave, or among the lost with its reason.
    """
    block, samples = Block(), 0
    for file in files:
        try:
            wave = load_wave(file, sample_rate)
        except audio.AudioError as error:
            block.lost.append(Undecoded(file, error.reason, str(error)))
            continue
        block.files.append(file)
        block.waves.append(wave)
        samples += wave.size
        if samples >= BLOCK_S * sample_rate:
            yield block
            block, samples = Block(), 0
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
