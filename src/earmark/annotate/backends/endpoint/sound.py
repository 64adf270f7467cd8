"""A clip as it travels: a file's own bytes, or a window of it decoded and encoded again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import msgspec

from earmark import audio
from earmark.audio import AudioError

Format = Literal["wav", "flac", "mp3", "ogg"]

TOLERANCE_S = 0.1
"""By how much a clip may exceed the limit: codecs pad, and windows end on a whole frame."""

SAME_LENGTH_S = 1e-3
"""Lengths that differ by less are the same."""


class Sound(msgspec.Struct, frozen=True):
    """An encoded clip."""

    data: bytes
    format: Format


def whole_file(path: Path, start_s: float, duration_s: float | None, longest_s: float) -> bool:
    """Return whether the window is the whole file, having checked that it is not too long.

    Raises:
        AudioError: as `earmark.audio.probe`, "empty" for a window behind the end, or "too long"
            for more than `longest_s` seconds.
    """
    available_s = audio.probe(path).duration_s
    seconds = available_s - start_s
    if seconds <= 0:
        raise AudioError("empty", f"{path} lasts {available_s:.2f} s, nothing from {start_s} s on")
    if duration_s is not None:
        seconds = min(seconds, duration_s)
    if seconds > longest_s + TOLERANCE_S:
        raise AudioError("too long", f"{seconds:.1f} s, and max_audio_s is {longest_s:g}")
    return seconds > available_s - SAME_LENGTH_S


def original(path: Path) -> Sound | None:
    """Return a file's own bytes, None where servers are not known to read what it holds.

    Raises:
        AudioError: "unreadable".
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AudioError("unreadable", f"{path}: {error.strerror}") from None
    form = recognise(data)
    return None if form is None else Sound(data, form)


def encoded(
    path: Path,
    start_s: float,
    duration_s: float | None,
    sample_rate: int,
    form: Literal["wav", "flac"],
) -> Sound:
    """Return the window decoded, mono, at `sample_rate` Hz, as 16-bit FLAC or WAV.

    Raises:
        AudioError: as `earmark.audio.load`.
    """
    import soundfile

    wave = audio.load(path, sample_rate, start_s=start_s, duration_s=duration_s)
    stream = io.BytesIO()
    soundfile.write(stream, wave, sample_rate, format=form.upper(), subtype="PCM_16")
    return Sound(stream.getvalue(), form)


def recognise(data: bytes) -> Format | None:
    """Return the format that a file's first bytes show, None for any other."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data[:4] == b"fLaC":
        return "flac"
    if data[:4] == b"OggS":
        return "ogg"
    # A frame of MPEG audio starts with eleven set bits; layer III is 01 after two more.
    frame = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2
    return "mp3" if data[:3] == b"ID3" or frame else None
