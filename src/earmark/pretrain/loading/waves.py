"""Waves of unequal length: load them, group them by length, pad them to a batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from earmark import audio
from earmark.records import Span

Sound = str | Path | Span | Float32[np.ndarray, " _"]
"""A file, a part of one, or a mono wave in [-1, 1]."""


def duration_s(sound: Sound, sample_rate: int) -> float:
    """Return the seconds of a file, by its header, of a span, or of a wave at `sample_rate` Hz.

    Raises:
        AudioError: the file cannot be opened.
    """
    if isinstance(sound, np.ndarray):
        return sound.size / sample_rate
    span = as_span(sound)
    if span.duration_s is not None:
        return span.duration_s
    return audio.probe(span.path).duration_s - span.start_s


def as_wave(sound: Sound, sample_rate: int) -> Float32[np.ndarray, " samples"]:
    """Return a file's or span's samples at `sample_rate` Hz, or a checked wave as it is.

    Raises:
        AudioError: the file cannot be decoded.
        ValueError: a wave is not a row of finite samples.
    """
    if isinstance(sound, np.ndarray):
        return _checked(sound, sample_rate)
    span = as_span(sound)
    return audio.load(span.path, sample_rate, start_s=span.start_s, duration_s=span.duration_s)


def as_span(file: str | Path | Span) -> Span:
    """Return a span as it is, a file as a span of its whole."""
    return file if isinstance(file, Span) else Span(str(file))


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


def _checked(wave: Float32[np.ndarray, " _"], sample_rate: int) -> Float32[np.ndarray, " samples"]:
    if wave.ndim != 1 or wave.size == 0 or not np.isfinite(wave).all():
        raise ValueError(
            f"a wave should be a row of finite samples at {sample_rate} Hz; one of shape "
            f"{wave.shape} was given. Average its channels, and leave out what is empty."
        )
    return wave.astype(np.float32, copy=False)


def pad(
    waves: Sequence[Float32[np.ndarray, " _"]],
) -> tuple[Float32[Tensor, "batch samples"], Int64[Tensor, " batch"]]:
    """Return waves as the rows of one tensor, zeros behind the shorter ones, and their lengths."""
    lengths = [len(wave) for wave in waves]
    batch = np.zeros((len(waves), max(lengths)), dtype=np.float32)
    for row, wave in zip(batch, waves, strict=True):
        row[: len(wave)] = wave
    return torch.from_numpy(batch), torch.tensor(lengths, dtype=torch.int64)
