"""Bytes to mono float32 samples at a rate: probe, load, resample. Never torch.

libsndfile decodes (wav, flac, mp3, ogg, opus, aiff; m4a where the build allows it). soxr resamples
with its HQ profile, which keeps aliases below -140 dB.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from jaxtyping import Float32

if TYPE_CHECKING:
    import soundfile

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aiff", ".aif"}
)
"""File name endings that corpora look for."""

UNKNOWN_FRAME_COUNT = 2**62
"""Frames from which on libsndfile's count means that the header has none."""


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
        AudioError: "unreadable" (permission, not there, not a file), "empty" (no bytes or no
            samples), "truncated" (a WAV that is shorter than its header says) or "undecodable".
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
        if wanted <= 0:
            raise AudioError("empty", f"{path} holds no samples from {start_s} s on")
        if start:
            _seek(file, start, path)
        return _read_frames(file, wanted, path), file.samplerate


def stream(
    path: str | Path, *, block_s: float = 10.0
) -> Iterator[Float32[np.ndarray, "samples channels"]]:
    """Decode a file of any length in blocks of `block_s` seconds, in bounded memory.

    Raises as `load`, when the block that is at fault is reached.
    """
    with _open(path) as file:
        block = max(round(block_s * file.samplerate), 1)
        for start in range(0, file.frames, block):
            yield _read_frames(file, min(block, file.frames - start), path)


def resample(
    wave: Float32[np.ndarray, " samples"], from_rate: int, to_rate: int
) -> Float32[np.ndarray, " resampled"]:
    """Resample mono samples from `from_rate` to `to_rate` Hz (soxr HQ)."""
    if from_rate == to_rate:
        return wave
    import soxr

    return np.asarray(soxr.resample(wave, from_rate, to_rate, quality="HQ"), dtype=np.float32)


def _open(path: str | Path) -> soundfile.SoundFile:
    """Open an audio file for reading; raises AudioError as `probe`."""
    import soundfile

    _check_file(path)
    try:
        file = soundfile.SoundFile(str(path))
    except soundfile.LibsndfileError as error:
        if not os.access(path, os.R_OK):
            raise AudioError("unreadable", f"{path}: permission denied") from None
        raise AudioError("undecodable", f"{path}: {error.error_string}") from None
    except TypeError:
        raise AudioError("undecodable", f"{path}: raw samples, without a rate") from None
    if fault := _header_fault(file):
        file.close()
        raise AudioError(fault[0], f"{path} {fault[1]}")
    return file


def _check_file(path: str | Path) -> None:
    """Refuse what is not a file with bytes; opening a named pipe would wait for ever."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise AudioError("unreadable", f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise AudioError("unreadable", f"{path!r}: {error}") from None
    if not stat.S_ISREG(status.st_mode):
        raise AudioError("unreadable", f"{path} is a folder, pipe, socket or device, not a file")
    if status.st_size == 0:
        raise AudioError("empty", f"{path} is a file of no bytes")


def _header_fault(file: soundfile.SoundFile) -> tuple[str, str] | None:
    """Return (reason, detail) for a header that cannot be relied on, or None."""
    if file.frames == 0:
        return "empty", "holds no samples"
    if file.frames >= UNKNOWN_FRAME_COUNT:
        return "undecodable", "does not say how long it is (written to a pipe?); encode it again"
    # libsndfile shortens a WAV to the bytes that are there, and says so only in its log. What was
    # written to a pipe has a length near 2 or 4 GiB there, as nobody knew it.
    found = re.search(r"^data : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if found and int(found[2]) < int(found[1]) < 0x7FFF_0000:
        return "truncated", f"holds {found[2]} of the {found[1]} bytes that its header promises"
    return None


def _seek(file: soundfile.SoundFile, start: int, path: str | Path) -> None:
    try:
        file.seek(start)
    except RuntimeError as error:
        raise AudioError("truncated", f"{path}: {error}") from None


def _read_frames(
    file: soundfile.SoundFile, wanted: int, path: str | Path
) -> Float32[np.ndarray, "samples channels"]:
    """Decode the next `wanted` frames, all of them and finite."""
    try:
        wave = file.read(wanted, dtype="float32", always_2d=True)
    except RuntimeError as error:
        raise AudioError("truncated", f"{path}: {error}") from None
    if len(wave) < wanted:
        raise AudioError("truncated", f"{path}: {len(wave)} of {wanted} samples are there")
    if not np.isfinite(wave).all():
        raise AudioError("not finite", f"{path} holds NaN or infinite samples")
    return wave
