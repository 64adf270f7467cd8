"""How loud a clip is, how that changes, and what the recording did to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32
from scipy.ndimage import uniform_filter1d

from earmark.annotate.backends.acoustic.spectrum import HOP_S, SILENCE_DBFS, Frames

GATE_DB = 10.0
MIN_DECAYS = 4
MIN_DECAY_DB = 12.0


@dataclass(frozen=True)
class Level:
    """Levels in dB relative to full scale.

    `active_dbfs` is the mean level where there is sound (gated as ITU-R BS.1770-4 does: blocks
    more than 10 dB below the mean do not count; no frequency weighting), `range_db` the spread from
    the 10th to the 95th percentile of 0.4 s blocks that are not silent, `crest_db` peak over
    `active_dbfs`, `floor_db` how far the quietest twentieth of frames lies below `active_dbfs`.
    `silence_share` is the part of the clip that is silent, `longest_gap_s` the longest silence
    between sounds, `trend_db` the change in level from the first third to the last of
    what lies between the first sound and the last. `ripple_db` is the standard deviation of the
    level where there is sound, in 50 ms.
    """

    active_dbfs: float
    peak_dbfs: float
    range_db: float
    crest_db: float
    floor_db: float
    silence_share: float
    longest_gap_s: float
    trend_db: float
    ripple_db: float


def measure_level(frames: Frames) -> Level:
    """Measure levels; a wave of zeros has every level at -100 dB and is all silence."""
    level = frames.level_db
    peak = float(20.0 * np.log10(max(float(np.abs(frames.wave).max()), 1e-5)))
    active = _gated_mean(level)
    blocks = _block_levels(level)
    heard = blocks[blocks > max(SILENCE_DBFS, float(blocks.max()) - 40.0)]
    sounding = _sounding_frames(level)
    span = _sounding_span(level, sounding)
    third = max(1, len(span) // 3)
    return Level(
        active_dbfs=active,
        peak_dbfs=peak,
        range_db=float(np.subtract(*np.percentile(heard, [95, 10]))) if len(heard) else 0.0,
        crest_db=peak - active,
        floor_db=active - float(np.percentile(level, 5)),
        silence_share=float(np.mean(~sounding)),
        longest_gap_s=_longest_gap_s(sounding),
        trend_db=_mean_db(span[-third:]) - _mean_db(span[:third]),
        ripple_db=float(uniform_filter1d(level[frames.active], 5).std()) if active > -70 else 0.0,
    )


def count_clipped_runs(
    samples: Float32[np.ndarray, "samples channels"],
) -> int:
    """Count flat tops: three or more equal samples at a channel's extreme, with steep sides.

    Steep (more than 2 % of the peak within one sample) tells a cut crest from the slow crest of a
    low tone, which is flat too once it is stored in few bits.
    """
    runs = 0
    for channel in samples.T:
        for wave in (channel, -channel):
            top = float(wave.max())
            if top < 0.1:
                continue
            flat = np.concatenate([[False], wave >= 0.999 * top, [False]])
            edges = np.flatnonzero(np.diff(flat.astype(np.int8)))
            starts, ends = edges[::2], edges[1::2]
            long = (ends - starts >= 3) & (starts > 0) & (ends < len(wave))
            before, after = wave[starts[long] - 1], wave[ends[long]]
            runs += int(np.sum((before < 0.98 * top) | (after < 0.98 * top)))
    return runs


def estimate_decay_time_s(frames: Frames) -> float | None:
    """Return the time in which sound dies by 60 dB once its source stops, if that can be told.

    A room lets nothing decay faster than it does itself, so the fastest fifth of the decays of at
    least 12 dB tells of the room (Vieira, AES 116, 2004). None where there are too few of them.
    """
    level = uniform_filter1d(frames.level_db, 3)
    floor = max(SILENCE_DBFS - 10.0, float(np.percentile(level, 5)) + 6.0)
    falling = np.concatenate([[False], (np.diff(level) < 0) & (level[1:] > floor), [False]])
    edges = np.flatnonzero(np.diff(falling.astype(np.int8)))
    times: list[float] = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        drop = float(level[start] - level[end])
        if drop >= MIN_DECAY_DB:
            times.append(60.0 * (end - start) * HOP_S / drop)
    return float(np.percentile(times, 20)) if len(times) >= MIN_DECAYS else None


def _gated_mean(level: Float32[np.ndarray, " frames"]) -> float:
    heard = level[level > -70.0]
    if not len(heard):
        return -100.0
    return _mean_db(heard[heard > _mean_db(heard) - GATE_DB])


def _mean_db(level: Float32[np.ndarray, " frames"]) -> float:
    return float(10.0 * np.log10(np.mean(10.0 ** (level.astype(np.float64) / 10.0))))


def _block_levels(level: Float32[np.ndarray, " frames"]) -> Float32[np.ndarray, " blocks"]:
    power = 10.0 ** (level.astype(np.float64) / 10.0)
    smooth = uniform_filter1d(power, min(40, len(power)))[:: min(10, len(power))]
    return (10.0 * np.log10(np.maximum(smooth, 1e-10))).astype(np.float32)


def _sounding_frames(level: Float32[np.ndarray, " frames"]) -> Bool[np.ndarray, " frames"]:
    return level > max(SILENCE_DBFS, float(np.percentile(level, 95)) - 50.0)


def _sounding_span(
    level: Float32[np.ndarray, " frames"], sounding: Bool[np.ndarray, " frames"]
) -> Float32[np.ndarray, " span"]:
    places = np.flatnonzero(sounding)
    return level[places[0] : places[-1] + 1] if len(places) else level


def _longest_gap_s(sounding: Bool[np.ndarray, " frames"]) -> float:
    places = np.flatnonzero(sounding)
    return float(max(np.diff(places).max() - 1, 0) * HOP_S) if len(places) > 1 else 0.0
