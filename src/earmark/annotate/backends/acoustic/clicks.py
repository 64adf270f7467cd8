"""Clicks: bursts shorter than a frame, found in the level of every 4 ms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from scipy.ndimage import median_filter
from scipy.signal import find_peaks

from earmark.annotate.backends.acoustic.frames import decibels

STEP_S = 0.004
AROUND = 25
LEAST_DB, QUIETEST_DB, FALL_DB = 9.0, 30.0, 8.0
BEFORE, AFTER = 5, 8
FEWEST = 4


@dataclass(frozen=True)
class Clicks:
    """How many clicks there are a second and how regular they are.

    `irregularity` is the median deviation of the time between clicks, relative to its median: 0
    for a clock. None with fewer than four clicks.
    """

    per_s: float
    irregularity: float | None = None


def measure_clicks(wave: Float32[np.ndarray, " samples"], sample_rate: int) -> Clicks:
    """Count peaks that rise 8 dB within 20 ms and fall by it within 32 ms.

    They stand 9 dB above the median of 0.1 s and no more than 30 dB below the strongest. The wave
    is differenced first, so that low rumble does not hide them.
    """
    step = round(STEP_S * sample_rate)
    count = (len(wave) - 1) // step
    if count < AROUND:
        return Clicks(per_s=0.0)
    blocks = np.diff(wave)[: count * step].reshape(count, step)
    level = decibels(np.square(blocks).mean(axis=1))
    found, _ = find_peaks(level - median_filter(level, AROUND), height=LEAST_DB, distance=BEFORE)
    padded = np.pad(level, (BEFORE, AFTER), mode="edge")
    before, after = padded[found], padded[found + BEFORE + AFTER]
    ends = found + AFTER >= count
    short = (before < level[found] - FALL_DB) & ((after < level[found] - FALL_DB) | ends)
    clicks = found[short & (level[found] > level.max() - QUIETEST_DB)]
    if len(clicks) < FEWEST:
        return Clicks(per_s=len(clicks) * sample_rate / len(wave))
    gaps = np.diff(clicks)
    middle = float(np.median(gaps))
    deviation = float(np.median(np.abs(gaps - middle)))
    return Clicks(per_s=len(clicks) * sample_rate / len(wave), irregularity=deviation / middle)
