"""Cut a long file into windows at quiet places. No audio is copied: a window is a place in a file.

The file is decoded twice, in blocks: once for its power in steps of 20 ms (only these are kept,
1.4 MB an hour), and once to measure each window between the cuts.

Cuts are chosen from start to end. Each is where 200 ms are quietest between half a window and a
whole window after the last cut. A best set of cuts over the whole file would compare places that
are minutes apart; half a window of context is enough to find a pause.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float32, Float64
from msgspec.structs import replace
from numpy.lib.stride_tricks import sliding_window_view

from earmark.annotate.loudness import measure_level
from earmark.audio import AudioInfo, stream
from earmark.records import Clip, Row

HOP_S = 0.02
PAUSE_HOPS = 10
"""200 ms: longer than the closure of a plosive, shorter than a pause between phrases."""

MIN_WINDOW_S = 1.0


class Window(Row, frozen=True, kw_only=True):
    """A piece of a file: its first sample, its number of samples, and its own level."""

    start: int
    samples: int
    peak_dbfs: float
    loudness_lufs: float


def segment_file(path: str, info: AudioInfo, window_s: float) -> tuple[Window, ...]:
    """Cut a file that is longer than `window_s` seconds; the windows cover it from start to end.

    Raises:
        AudioError: as `earmark.audio.load`.
    """
    rate = info.sample_rate
    hop = max(round(HOP_S * rate), 1)
    samples = round(info.duration_s * rate)
    power = hop_power(stream(path), hop)
    cuts = find_quiet_cuts(power, hop, samples=samples, longest=int(window_s * rate))
    lengths = [after - before for before, after in pairwise(cuts)]
    windows: list[Window] = []
    for start, length, piece in zip(
        cuts, lengths, split_stream(stream(path), lengths), strict=False
    ):
        level = measure_level(piece, rate)
        windows.append(
            Window(
                start=start,
                samples=length,
                peak_dbfs=level.peak_dbfs,
                loudness_lufs=level.loudness_lufs,
            )
        )
    return tuple(windows)


def hop_power(
    blocks: Iterable[Float32[np.ndarray, "_ channels"]], hop: int
) -> Float64[np.ndarray, " hops"]:
    """Return the mean power over channels of every `hop` samples; an unfinished hop is left out."""
    hops: list[Float64[np.ndarray, " _"]] = []
    rest: Float64[np.ndarray, " _"] = np.zeros(0)
    for block in blocks:
        power = np.concatenate([rest, np.square(block, dtype=np.float64).mean(axis=1)])
        whole = len(power) // hop * hop
        hops.append(power[:whole].reshape(-1, hop).mean(axis=1))
        rest = power[whole:]
    return np.concatenate(hops) if hops else np.zeros(0)


def find_quiet_cuts(
    power: Float64[np.ndarray, " hops"], hop: int, *, samples: int, longest: int
) -> list[int]:
    """Return the places of cuts in samples, with 0 first and `samples` last.

    No window is above `longest`. Where there is more than one, none is below a third of `longest`,
    and only the last is below half of it. Of equally quiet places the latest is taken.

    Args:
        power: of each whole hop of the file.
        hop: samples in a hop.
        samples: in the file.
        longest: samples that a window may have: at least 18 hops, or any number of hops of one
            sample. With fewer there may be no hop to cut at.
    """
    around = np.pad(power, PAUSE_HOPS // 2, mode="edge") if len(power) else power
    half, third = math.ceil(longest / (2 * hop)), math.ceil(longest / (3 * hop))
    cuts = [0]
    while samples - cuts[-1] > longest:
        first = cuts[-1] // hop + half
        last = min((cuts[-1] + longest) // hop, samples // hop - third)
        # `around` is shifted by half a pause: what starts at a place in it is centred there.
        pauses = sliding_window_view(around[first : last + PAUSE_HOPS], PAUSE_HOPS).sum(axis=1)
        cuts.append(hop * (last - int(np.argmin(pauses[::-1]))))
    return [*cuts, samples]


def split_stream(
    blocks: Iterator[Float32[np.ndarray, "_ channels"]], lengths: Sequence[int]
) -> Iterator[Iterator[Float32[np.ndarray, "_ channels"]]]:
    """Yield the pieces of a stream, each as an iterator that must be used up before the next."""
    rest = next(blocks)

    def piece(wanted: int) -> Iterator[Float32[np.ndarray, "_ channels"]]:
        nonlocal rest
        while wanted:
            if not len(rest):
                rest = next(blocks)
            part, rest = rest[:wanted], rest[wanted:]
            wanted -= len(part)
            yield part

    return map(piece, lengths)


def window_name(name: str, window: Window, sample_rate: int) -> str:
    """Return "song.mp3#t=30.000,59.240": a media fragment in seconds (W3C, Media Fragments 1.0)."""
    start_s, end_s = (s / sample_rate for s in (window.start, window.start + window.samples))
    return f"{name}#t={start_s:.3f},{end_s:.3f}"


def clip_from_window(whole: Clip, window: Window) -> Clip:
    """Return a window of a whole file as a clip of its own.

    Its labels and original captions are those of the file, and as weak as that: a window may not
    hold what they tell. `parent` tells windows from whole files where that matters.
    """
    place = f"{whole.id} {window.start} {window.samples}"
    return replace(
        whole,
        id=hashlib.sha256(place.encode()).hexdigest()[:32],
        name=window_name(whole.name, window, whole.sample_rate),
        start_s=window.start / whole.sample_rate,
        duration_s=window.samples / whole.sample_rate,
        peak_dbfs=window.peak_dbfs,
        loudness_lufs=window.loudness_lufs,
        parent=whole.id,
        parent_duration_s=whole.duration_s,
    )
