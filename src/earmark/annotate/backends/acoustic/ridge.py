"""The strongest narrow peak from frame to frame: whistles, beeps, sirens and what else sweeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import uniform_filter1d

from earmark.annotate.backends.acoustic.frames import Frames

LOWEST_HZ = 60.0
PEAK_SHARE = 0.8
LEAST_FRAMES = 10
STEADY_SEMITONES, SWEPT_SEMITONES, LEAP_SEMITONES = 0.02, 0.08, 0.8


@dataclass(frozen=True)
class Ridge:
    """The part of the sounding frames in which one peak holds 80 % of the power, and its course.

    `share` is that part. `median_hz` and `spread_semitones` (10th to 90th percentile) tell where
    the peak lies. Of its steps of 10 ms, `steady_share` stay, `rising_share` and `falling_share`
    move by more than 8 cents. `commonest` are the shares of its commonest two pitches, in
    half semitones. All zero with fewer than ten such frames.
    """

    share: float
    median_hz: float = 0.0
    spread_semitones: float = 0.0
    steady_share: float = 0.0
    rising_share: float = 0.0
    falling_share: float = 0.0
    commonest: tuple[float, float] = (0.0, 0.0)


def measure_ridge(frames: Frames) -> Ridge:
    """Follow the strongest peak of each frame above 60 Hz."""
    power = np.square(frames.magnitude)
    power[:, frames.frequency_hz < LOWEST_HZ] = 0.0
    peak = power[:, 1:-1].argmax(axis=1) + 1
    row = np.arange(len(power))
    last = power.shape[1] - 1
    near = sum(power[row, np.clip(peak + place, 0, last)] for place in range(-2, 3))
    alone = frames.active & (near > PEAK_SHARE * np.maximum(power.sum(axis=1), 1e-20))
    share = float(alone.sum()) / max(int(frames.active.sum()), 1)
    if alone.sum() < LEAST_FRAMES:
        return Ridge(share)
    semitones = 12.0 * np.log2(_refined_hz(power, peak, float(frames.frequency_hz[1])))
    low, middle, high = np.percentile(semitones[alone], [10, 50, 90])
    leaps = np.diff(semitones)
    joined = alone[1:] & alone[:-1] & (np.abs(leaps) < 2 * LEAP_SEMITONES)
    steps = uniform_filter1d(leaps, 3)[joined]
    counts = np.sort(np.unique(np.rint(2.0 * semitones[alone]), return_counts=True)[1])[::-1]
    first, second = (float(count) / alone.sum() for count in [*counts[:2], 0][:2])
    return Ridge(
        share=share,
        median_hz=float(2.0 ** (middle / 12.0)),
        spread_semitones=float(high - low),
        steady_share=_mean(np.abs(steps) < STEADY_SEMITONES),
        rising_share=_mean(steps > SWEPT_SEMITONES),
        falling_share=_mean(steps < -SWEPT_SEMITONES),
        commonest=(first, second),
    )


def _refined_hz(
    power: Float32[np.ndarray, "frames bins"], peak: np.ndarray, step_hz: float
) -> Float[np.ndarray, " frames"]:
    """Place each peak between bins by a parabola on the logarithm."""
    row = np.arange(len(power))
    left, middle, right = (np.log(power[row, peak + place] + 1e-12) for place in (-1, 0, 1))
    curvature = np.minimum(left - 2.0 * middle + right, -1e-6)
    return (peak + np.clip(0.5 * (left - right) / curvature, -0.5, 0.5)) * step_hz


def _mean(flags: np.ndarray) -> float:
    return float(flags.mean()) if len(flags) else 0.0
