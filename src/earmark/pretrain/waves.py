"""Waves of unequal length: load them, group them by length, pad them to a batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from earmark import audio


def duration_s(file: str | Path | Float32[np.ndarray, " samples"], sample_rate: int) -> float:
    """Return the seconds of a file, by its header, or of a wave at `sample_rate` Hz.

    Raises:
        AudioError: the file cannot be opened.
    """
    if isinstance(file, np.ndarray):
        return file.size / sample_rate
    return audio.probe(file).duration_s


def as_wave(
    file: str | Path | Float32[np.ndarray, " samples"], sample_rate: int
) -> Float32[np.ndarray, " samples"]:
    """Return a file's samples at `sample_rate` Hz, or a checked wave as it is.

    Raises:
        AudioError: the file cannot be decoded.
        ValueError: a wave is not a row of finite samples.
    """
    if not isinstance(file, np.ndarray):
        return audio.load(file, sample_rate)
    if file.ndim != 1 or file.size == 0 or not np.isfinite(file).all():
        raise ValueError(
            f"a wave should be a row of finite samples at {sample_rate} Hz; one of shape "
            f"{file.shape} was given. Average its channels, and leave out what is empty."
        )
    return file.astype(np.float32, copy=False)


def group_by_length(durations: Sequence[float], batch_s: float) -> list[list[int]]:
    """Return places in `durations`, sorted by length and cut into groups.

    A group padded to its longest member holds at most `batch_s` seconds, or a single member.
    """
    groups: list[list[int]] = []
    for place in np.argsort(np.asarray(durations), kind="stable").tolist():
        full = not groups or durations[place] * (len(groups[-1]) + 1) > batch_s
        if full:
            groups.append([])
        groups[-1].append(place)
    return groups


def pad(
    waves: Sequence[Float32[np.ndarray, " _"]],
) -> tuple[Float32[Tensor, "batch samples"], Int64[Tensor, " batch"]]:
    """Return waves as the rows of one tensor, zeros behind the shorter ones, and their lengths."""
    lengths = [len(wave) for wave in waves]
    batch = np.zeros((len(waves), max(lengths)), dtype=np.float32)
    for row, wave in zip(batch, waves, strict=True):
        row[: len(wave)] = wave
    return torch.from_numpy(batch), torch.tensor(lengths, dtype=torch.int64)
