"""Bytes to mono float32 samples at a rate: probe, load, resample. Never torch.

Decoding is libsndfile's (wav, flac, mp3, ogg, opus, aiff; m4a where the build allows), resampling
is soxr's HQ profile, which keeps aliases below -140 dB.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from jaxtyping import Float32

if TYPE_CHECKING:
    import soundfile

SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aiff", ".aif"})
"""File name endings that corpora look for."""


class AudioError(ValueError):
    """A file that cannot be used as audio; `reason` is a short fixed word for counting."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class AudioInfo(msgspec.Struct, frozen=True):
    """What a file's header says."""

    duration_s: float
    sample_rate: int
    channels: int


def probe(path: str | Path) -> AudioInfo:
    """Read the header of an audio file.

    Raises:
        AudioError: "unreadable" (permission, not there), "empty" (no bytes or no samples) or
            "undecodable".
    """
    with _open(path) as file:
        return AudioInfo(file.frames / file.samplerate, file.samplerate, file.channels)


def load(
    path: str | Path,
    sample_rate: int,
    *,
    start_s: float = 0.0,
    duration_s: float | None = None,
) -> Float32[np.ndarray, " samples"]:
    """Decode `duration_s` seconds from `start_s` (default: all) as mono float32 in [-1, 1].

    Channels are averaged; the result is at `sample_rate` Hz.

    Raises:
        AudioError: as `probe`, or "truncated" where the data ends before the header says, or
            "not finite" where samples are NaN or infinite.
    """
    wave, rate = read(path, start_s=start_s, duration_s=duration_s)
    mono = wave.mean(axis=1, dtype=np.float32) if wave.shape[1] > 1 else wave[:, 0]
    return resample(mono, rate, sample_rate)


def read(
    path: str | Path, *, start_s: float = 0.0, duration_s: float | None = None
) -> tuple[Float32[np.ndarray, "samples channels"], int]:
    """Decode at the file's own rate and channels; returns (samples, rate). Raises as `load`."""
    with _open(path) as file:
        start = round(start_s * file.samplerate)
        wanted = file.frames - start
        if duration_s is not None:
            wanted = min(wanted, round(duration_s * file.samplerate))
        try:
            if start:
                file.seek(start)
            wave = file.read(max(wanted, 0), dtype="float32", always_2d=True)
        except RuntimeError as error:
            raise AudioError("truncated", f"{path}: {error}") from None
        if len(wave) == 0:
            raise AudioError("empty", f"{path} holds no samples from {start_s} s on")
        if len(wave) < wanted:
            raise AudioError("truncated", f"{path}: {len(wave)} of {wanted} samples are there")
        if not np.isfinite(wave).all():
            raise AudioError("not finite", f"{path} holds NaN or infinite samples")
        return wave, file.samplerate


def resample(
    wave: Float32[np.ndarray, " samples"], from_rate: int, to_rate: int
) -> Float32[np.ndarray, " resampled"]:
    """Resample mono samples from `from_rate` to `to_rate` Hz (soxr HQ)."""
    if from_rate == to_rate:
        return wave
    import soxr

    return np.asarray(soxr.resample(wave, from_rate, to_rate, quality="HQ"), dtype=np.float32)


def _open(path: str | Path) -> soundfile.SoundFile:
    import soundfile

    try:
        if Path(path).stat().st_size == 0:
            raise AudioError("empty", f"{path} is a file of no bytes")
        file = soundfile.SoundFile(str(path))
    except OSError as error:
        raise AudioError("unreadable", f"{path}: {error.strerror}") from None
    except soundfile.LibsndfileError as error:
        if not os.access(path, os.R_OK):
            raise AudioError("unreadable", f"{path}: permission denied") from None
        raise AudioError("undecodable", f"{path}: {error.error_string}") from None
    if file.frames == 0:
        file.close()
        raise AudioError("empty", f"{path} holds no samples")
    return file
