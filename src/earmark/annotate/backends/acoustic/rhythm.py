"""Onsets, tempo and clicks.

Onsets and tempo come from how much louder each mel band gets (Ellis, J. New Music Research 2007).
Clicks are bursts shorter than a frame, found in the level of every 4 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.ndimage import gaussian_filter1d, median_filter, uniform_filter1d
from scipy.signal import find_peaks

from earmark.annotate.backends.acoustic.spectrum import HOP_S, MEL_OFFSET, Frames, power_to_db

PREFERRED_PERIOD_S = 0.5

PREFERENCE_OCTAVES = 0.9

MAX_PERIOD_S, MIN_PERIOD_S = 1.5, 0.25

MIN_BEATS = 5

MIN_CLARITY = 0.35

MIN_FLUTTER_HZ, MAX_FLUTTER_HZ = 5.0, 25.0

MIN_FLUTTER_CORRELATION = 0.4

MIN_FLUTTER_DB = 1.0

MAX_FALL_FRAMES, MIN_FALL_FRAMES = 60, 12

MIN_ONSET_RISE_DB = 1.5
"""The least mean rise over bands, in dB a frame, that counts as an onset."""


@dataclass(frozen=True)
class Rhythm:
    """Onsets and pulse.

    `tempo_bpm` is None unless there are at least five beats and `clarity`, the autocorrelation of
    the onset strength at the beat relative to lag 0, is at least 0.35. `attack_s` is the median
    time from 20 dB below an onset's peak to the peak, `decay_s` the median time from there to
    20 dB below, both None where no onset has one; a decay that the next onset cuts off counts as
    far as it goes. `flutter_hz` is the rate of a level that goes up and down regularly, 5 to 25
    times a second, else None. `fall_db_per_s` is the median slope of the level in the
    0.6 s after an onset, up to the next one: about 0 for what is held, None where no onset has
    0.12 s to itself.
    """

    onset_count: int
    onsets_per_s: float
    clarity: float
    tempo_bpm: float | None
    attack_s: float | None
    decay_s: float | None
    flutter_hz: float | None
    fall_db_per_s: float | None


def measure_rhythm(frames: Frames) -> Rhythm:
    """Measure onsets, tempo and the shape of onsets."""
    strength = onset_strength(frames)
    onsets = find_onsets(strength)
    period, clarity = beat_period(strength)
    beats = frames.duration_s / period if period else 0.0
    steady = clarity >= MIN_CLARITY and beats >= MIN_BEATS and len(onsets) >= MIN_BEATS
    attack, decay = measure_onset_shape(frames.level_db, onsets)
    return Rhythm(
        onset_count=len(onsets),
        onsets_per_s=len(onsets) / frames.duration_s,
        clarity=clarity,
        tempo_bpm=60.0 / period if steady else None,
        attack_s=attack,
        decay_s=decay,
        flutter_hz=measure_flutter_hz(frames.level_db),
        fall_db_per_s=measure_fall_db_per_s(frames.level_db, onsets),
    )


def onset_strength(frames: Frames) -> Float32[np.ndarray, " frames"]:
    """Return the mean rise of the mel bands in dB a frame, over the 60 dB below the loudest."""
    mel = np.exp(frames.log_mel) - MEL_OFFSET
    level = 20.0 * np.log10(np.maximum(mel / max(float(mel.max()), 1e-6), 1e-3))
    rise = np.maximum(np.diff(level, axis=0, prepend=level[:1]), 0.0).mean(axis=1)
    return gaussian_filter1d(rise, 1.0).astype(np.float32)


def find_onsets(strength: Float32[np.ndarray, " frames"]) -> Int[np.ndarray, " onsets"]:
    """Return the frames of peaks that stand out by 1.5 dB and by a fifth of the strongest.

    They stand out from the median of half a second, which is what noise has all the time: its
    bands rise and fall at random.
    """
    excess = strength - median_filter(strength, min(51, len(strength)))
    least = max(MIN_ONSET_RISE_DB, 0.2 * float(excess.max()))
    padded = np.pad(excess, 1)
    peaks, _ = find_peaks(padded, height=least, prominence=0.6 * least, distance=6)
    return peaks - 1


def beat_period(strength: Float32[np.ndarray, " frames"]) -> tuple[float, float]:
    """Return the beat's period in seconds and its clarity from 0 to 1; zeros where there is none.

    The autocorrelation is weighted by a Gaussian on log2(period / 0.5 s) (section 2.3).
    """
    lag_count = int(2 * MAX_PERIOD_S / HOP_S)
    wave = strength - uniform_filter1d(strength, min(101, len(strength)))
    if len(wave) <= lag_count // 2 or not np.any(np.abs(wave) > 1e-6):
        return 0.0, 0.0
    correlation = autocorrelation(wave)[:lag_count]
    period_s = np.maximum(np.arange(len(correlation)), 1) * HOP_S
    octaves = np.log2(period_s / PREFERRED_PERIOD_S)
    weight = np.exp(-0.5 * (octaves / PREFERENCE_OCTAVES) ** 2)
    weight[(period_s < MIN_PERIOD_S) | (period_s > MAX_PERIOD_S)] = 0.0
    lag = int(np.argmax(correlation * weight))
    return _refine_lag(correlation, lag) * HOP_S, float(np.clip(correlation[lag], 0.0, 1.0))


def measure_flutter_hz(level_db: Float32[np.ndarray, " frames"]) -> float | None:
    """Return the rate at which a level flutters, where its autocorrelation is above 0.4."""
    if len(level_db) < 100 or float(np.ptp(level_db)) < MIN_FLUTTER_DB:
        return None
    wave = np.maximum(level_db, float(level_db.max()) - 40.0)
    wave = wave - uniform_filter1d(wave, 25)
    if float(wave.std()) < MIN_FLUTTER_DB:
        return None
    correlation = autocorrelation(wave)
    slowest, fastest = (
        round(1.0 / (MIN_FLUTTER_HZ * HOP_S)),
        round(1.0 / (MAX_FLUTTER_HZ * HOP_S)),
    )
    peaks, _ = find_peaks(correlation[: slowest + 2], height=MIN_FLUTTER_CORRELATION)
    peaks = peaks[peaks >= fastest]
    return 1.0 / (_refine_lag(correlation, int(peaks[0])) * HOP_S) if len(peaks) else None


def autocorrelation(wave: Float32[np.ndarray, " samples"]) -> Float[np.ndarray, " lags"]:
    """Return the autocorrelation of a wave relative to lag 0, zeros for a wave of zeros."""
    size = 1 << (2 * len(wave) - 1).bit_length()
    correlation = np.fft.irfft(np.abs(np.fft.rfft(wave, n=size)) ** 2, n=size)[: len(wave)]
    overlap = np.maximum(1.0 - np.arange(len(wave)) / len(wave), 0.25)
    return correlation / max(float(correlation[0]), 1e-12) / overlap


def measure_onset_shape(
    level_db: Float32[np.ndarray, " frames"], onsets: Int[np.ndarray, " onsets"]
) -> tuple[float | None, float | None]:
    """Return the median attack and decay in seconds, None where no onset has one."""
    attacks: list[float] = []
    decays: list[float] = []
    for onset, following in pairwise([*onsets.tolist(), len(level_db)]):
        end = max(onset + 1, min(following, onset + 30))
        peak = onset + int(np.argmax(level_db[onset:end]))
        below = level_db < level_db[peak] - 20.0
        earlier = np.flatnonzero(below[:peak])
        if len(earlier):
            attacks.append((peak - earlier[-1]) * HOP_S)
        later = np.flatnonzero(below[peak:following])
        decays.append((later[0] if len(later) else following - peak) * HOP_S)
    return _median_or_none(attacks), _median_or_none(decays)


def measure_fall_db_per_s(
    level_db: Float32[np.ndarray, " frames"], onsets: Int[np.ndarray, " onsets"]
) -> float | None:
    """Return how fast the level falls after onsets within 15 dB of the loudest, in dB a second.

    A clip that begins in the midst of sound has its first onset there.
    """
    loud = float(np.percentile(level_db, 95)) - 15.0
    starts = onsets.tolist()
    if (not starts or starts[0] > MAX_FALL_FRAMES) and level_db[:MIN_FALL_FRAMES].max() > loud:
        starts = [0, *starts]
    slopes: list[float] = []
    for onset, following in pairwise([*starts, len(level_db)]):
        peak = onset + int(np.argmax(level_db[onset : onset + 8]))
        course = level_db[peak : min(following - 3, onset + MAX_FALL_FRAMES)].astype(np.float64)
        if len(course) >= MIN_FALL_FRAMES and course[0] >= loud:
            time_s = HOP_S * (np.arange(len(course)) - (len(course) - 1) / 2.0)
            slopes.append(-float(time_s @ course / (time_s @ time_s)))
    return _median_or_none(slopes)


def _median_or_none(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None


def _refine_lag(correlation: np.ndarray, lag: int) -> float:
    """Place a peak between lags by a parabola, on its fourth multiple where that is in reach."""
    for multiple in (4, 2, 1):
        centre = multiple * lag
        near = slice(centre - multiple, centre + multiple + 1)
        if centre + multiple + 1 < len(correlation) and centre > multiple:
            best = near.start + int(np.argmax(correlation[near]))
            if correlation[best] < 0.5 * correlation[lag]:
                continue
            left, middle, right = correlation[best - 1 : best + 2]
            curvature = left - 2.0 * middle + right
            offset = 0.5 * (left - right) / curvature if curvature < 0 else 0.0
            return (best + float(np.clip(offset, -1.0, 1.0))) / multiple
    return float(lag)


CLICK_STEP_S = 0.004

BACKGROUND_STEPS = 25

MIN_CLICK_DB, MAX_BELOW_LOUDEST_DB, CLICK_FALL_DB = 9.0, 30.0, 8.0

STEPS_BEFORE, STEPS_AFTER = 5, 8

MIN_CLICKS = 4


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
    step = round(CLICK_STEP_S * sample_rate)
    count = (len(wave) - 1) // step
    if count < BACKGROUND_STEPS:
        return Clicks(per_s=0.0)
    blocks = np.diff(wave)[: count * step].reshape(count, step)
    level = power_to_db(np.square(blocks).mean(axis=1))
    found, _ = find_peaks(
        level - median_filter(level, BACKGROUND_STEPS), height=MIN_CLICK_DB, distance=STEPS_BEFORE
    )
    padded = np.pad(level, (STEPS_BEFORE, STEPS_AFTER), mode="edge")
    before, after = padded[found], padded[found + STEPS_BEFORE + STEPS_AFTER]
    ends = found + STEPS_AFTER >= count
    short = (before < level[found] - CLICK_FALL_DB) & (
        (after < level[found] - CLICK_FALL_DB) | ends
    )
    clicks = found[short & (level[found] > level.max() - MAX_BELOW_LOUDEST_DB)]
    if len(clicks) < MIN_CLICKS:
        return Clicks(per_s=len(clicks) * sample_rate / len(wave))
    gaps = np.diff(clicks)
    middle = float(np.median(gaps))
    deviation = float(np.median(np.abs(gaps - middle)))
    return Clicks(per_s=len(clicks) * sample_rate / len(wave), irregularity=deviation / middle)
