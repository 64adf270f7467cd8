"""Audio fingerprints: 32 bits a frame, and their cache by clip id.

After Haitsma & Kalker, "A highly robust audio fingerprinting system" (ISMIR 2002), section 4.2:
bit m of frame n is the sign of

    (E[n, m] - E[n, m + 1]) - (E[n - 1, m] - E[n - 1, m + 1])

where E[n, m] is the energy of frame n in band m of 33, spaced evenly in logarithm of frequency.
Gain cancels, and neither a codec nor mild noise changes the sign of a difference that is large.

Three things differ from the paper, as clips are seconds long and rarely music:

- bands from 250 to 3500 Hz in place of 300 to 2000, which is what a telephone line still carries;
- a frame of 256 ms every 32 ms, in place of 370 ms every 11.6 ms: cheaper, and copies that are
  shifted by half a hop still agree, as that is a sixteenth of a frame;
- each frame also says which of its differences are large. Only those bits are compared.

On disk fingerprints are parts of some hundred clips, each written whole or not at all: a killed run
resumes with the clips that no part has. In memory all frames are in one array.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64, UInt32
from numpy.lib.stride_tricks import sliding_window_view

from earmark.audio import AudioError, load
from earmark.evaluate.array_cache import read_part, write_part
from earmark.progress import track
from earmark.records import Example, Rejected, audio_span

SAMPLE_RATE = 8000

FRAME_SAMPLES = 2048
"""Samples: 256 ms."""

HOP_SAMPLES = 256
"""Samples: 32 ms."""

HOP_S = HOP_SAMPLES / SAMPLE_RATE

BITS = 32

LOWEST_HZ, HIGHEST_HZ = 250.0, 3500.0

LARGE_DIFFERENCE = 0.02
"""A difference is large from this share of the mean band energy of its two frames on.

Of such bits 4 % are wrong in a copy with noise at 20 dB, of all bits 15 %."""

QUIET_RATIO = 1e-4
"""Frames 40 dB below the loudest of their clip say nothing: noise fills them in a copy."""

SILENT_POWER = 1e-10
"""Mean power of a frame, of full scale 1, below which it is silence whatever the clip: -100 dB."""

KEY_BITS = 24

KEY_SHIFTS = (0, 4, 8)
"""A frame is looked up by three overlapping runs of 24 bits: noise spares some of the bands."""

WEAK_BITS = 4
"""Bits of a key that are tried both ways: those with the smallest differences."""

FRAMES_PER_FFT_BLOCK = 4096
"""Frames transformed at a time: 70 MB."""

COLUMNS = 2 + len(KEY_SHIFTS)
"""The bits, which of them are large, and the weakest bits of each key."""


def audio_fingerprint(
    wave: Float32[np.ndarray, " samples"],
) -> UInt32[np.ndarray, "frames columns"]:
    """Return the fingerprint of a mono wave at 8 kHz.

    Column 0 holds the bits, column 1 a mask of those whose difference is large (0 in a frame that
    is quiet), columns 2 to 4 masks of the four weakest bits in each of the three keys. There is no
    frame of what is shorter than 288 ms.
    """
    count = (len(wave) - FRAME_SAMPLES) // HOP_SAMPLES + 1 if len(wave) >= FRAME_SAMPLES else 0
    if count < 2:
        return np.zeros((0, COLUMNS), np.uint32)
    windows = sliding_window_view(wave, FRAME_SAMPLES)[::HOP_SAMPLES]
    blocks = [
        _energies(windows[first : first + FRAMES_PER_FFT_BLOCK])
        for first in range(0, count, FRAMES_PER_FFT_BLOCK)
    ]
    energies = np.concatenate(blocks)
    slopes = energies[:, :-1] - energies[:, 1:]
    differences = slopes[1:] - slopes[:-1]
    sizes = np.abs(differences)
    means = energies.mean(axis=1)
    level = means[1:] + means[:-1]
    loud = level > max(QUIET_RATIO * float(level.max()), SILENT_POWER)
    large = (sizes > LARGE_DIFFERENCE * level[:, None]) & loud[:, None]
    weak = [_weakest_bits(sizes, shift) for shift in KEY_SHIFTS]
    return np.stack([_pack(differences > 0), _pack(large), *weak], axis=1)


@cache
def _band_edges() -> Int64[np.ndarray, " edges"]:
    hertz = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BITS + 2)
    return np.round(hertz * FRAME_SAMPLES / SAMPLE_RATE).astype(np.int64)


def _energies(windows: Float32[np.ndarray, "frames samples"]) -> Float32[np.ndarray, "frames 33"]:
    """Return the energies of the bands; of full scale, a sine has 1/4 over all."""
    shape = np.hanning(FRAME_SAMPLES + 1)[:-1].astype(np.float32)
    edges = _band_edges()
    spectrum = np.fft.rfft(windows * (shape * np.float32(2 / FRAME_SAMPLES)))[:, : edges[-1]]
    power = spectrum.real**2 + spectrum.imag**2
    return np.add.reduceat(power, edges[:-1], axis=1)


def _weakest_bits(
    sizes: Float32[np.ndarray, "frames 32"], shift: int
) -> UInt32[np.ndarray, " frames"]:
    """Return masks of the bits with the smallest differences in the key at `shift`."""
    within = sizes[:, shift : shift + KEY_BITS]
    chosen = np.argpartition(within, WEAK_BITS, axis=1)[:, :WEAK_BITS] + shift
    return np.bitwise_or.reduce(np.uint32(1) << chosen.astype(np.uint32), axis=1)


def _pack(bits: np.ndarray) -> UInt32[np.ndarray, " frames"]:
    """Pack rows of 32 booleans into words, band m as bit m."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    return packed.view("<u4")[:, 0].astype(np.uint32)


CLIPS_PER_PART = 512
"""Clips in a part, hence listened to again after a kill."""

FINGERPRINTS_FORMAT = "fingerprints-2"
"""Name of the folder; another number wherever `audio_fingerprint` gives other values."""

PART_KIND = "frames"
"""What the names of parts begin with."""


@dataclass(frozen=True)
class Fingerprints:
    """The frames of clips one after another: clip i has those from starts[i] to starts[i + 1]."""

    clips: tuple[Example, ...]
    frames: UInt32[np.ndarray, "frames columns"]
    starts: Int64[np.ndarray, " clips_and_end"]


def compute_fingerprints(
    clips: Sequence[Example], cache: Path, *, columns: int, title: str
) -> tuple[Fingerprints, list[Rejected]]:
    """Return the fingerprints of clips, and the clips that cannot be read.

    Args:
        clips: of different ids.
        cache: the folder that keeps what was computed.
        columns: how many to return; two are enough to compare clips, but not to look one up.
        title: what the progress bar says.
    """
    folder = cache / FINGERPRINTS_FORMAT
    known: dict[str, UInt32[np.ndarray, "frames columns"]] = {}
    wanted = {clip.id for clip in clips}
    for path in sorted(folder.glob(f"{PART_KIND}-*.safetensors")):
        part = read_part(path, wanted)
        known.update((name, rows[:, :columns].copy()) for name, rows in part.items())
    missing = [clip for clip in clips if clip.id not in known]
    unread: list[Rejected] = []
    with track(title, total=len(clips), resumed=len(known)) as progress:
        for first in range(0, len(missing), CLIPS_PER_PART):
            part, lost = _fingerprint_clips(missing[first : first + CLIPS_PER_PART])
            if part:
                write_part(folder, PART_KIND, part)
            known.update((name, rows[:, :columns].copy()) for name, rows in part.items())
            unread += lost
            progress.advance(len(part) + len(lost))
    return concat_fingerprints([clip for clip in clips if clip.id in known], known, columns), unread


def _fingerprint_clips(
    clips: Iterable[Example],
) -> tuple[dict[str, UInt32[np.ndarray, "frames columns"]], list[Rejected]]:
    heard: dict[str, UInt32[np.ndarray, "frames columns"]] = {}
    lost: list[Rejected] = []
    for clip in clips:
        span = audio_span(clip)
        try:
            wave = load(span.path, SAMPLE_RATE, start_s=span.start_s, duration_s=span.duration_s)
        except AudioError as error:
            reason = Rejected(id=clip.id, stage="leakage", reason=error.reason, detail=str(error))
            lost.append(reason)
        else:
            heard[clip.id] = audio_fingerprint(wave)
    return heard, lost


def concat_fingerprints(
    clips: Sequence[Example],
    known: Mapping[str, UInt32[np.ndarray, "frames columns"]],
    columns: int,
) -> Fingerprints:
    """Return the fingerprints `known` by clip id as one array, in the order of `clips`."""
    lengths = [len(known[clip.id]) for clip in clips]
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    empty = np.zeros((0, columns), np.uint32)
    return Fingerprints(
        tuple(clips), np.concatenate([empty, *(known[clip.id] for clip in clips)]), starts
    )
