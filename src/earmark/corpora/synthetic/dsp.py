"""Building blocks of synthesis: noise, filters, control curves, struck modes, overlays.

Every wave is mono float64 at `SAMPLE_RATE`; randomness is the generator that is passed in.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

SAMPLE_RATE = 16000
MAX_PARTIAL_HZ = 7600.0
"""Partials above this are left out, so that nothing folds back."""

Wave: TypeAlias = Float64[np.ndarray, " samples"]


def sample_count(duration_s: float) -> int:
    """Return how many samples last `duration_s`, at least one."""
    return max(round(duration_s * SAMPLE_RATE), 1)


def sample_times(samples: int) -> Wave:
    """Return the time of each sample in seconds."""
    return np.arange(samples) / SAMPLE_RATE


def noise(samples: int, rng: np.random.Generator, *, slope_db: float = 0.0) -> Wave:
    """Return Gaussian noise of unit RMS whose power falls by `slope_db` an octave.

    0 is white, 3 pink, 6 brown; the slope starts at 20 Hz.
    """
    if slope_db == 0.0:
        return rng.standard_normal(samples)
    # Lengths with large prime factors would make the transform many times slower.
    padded = -(-samples // 1000) * 1000
    spectrum = np.fft.rfft(rng.standard_normal(padded))
    frequency_hz = np.maximum(np.fft.rfftfreq(padded, 1 / SAMPLE_RATE), 20.0)
    shaped = np.fft.irfft(spectrum * (frequency_hz / 20.0) ** (-slope_db / 6.0206), padded)
    return scale_to_rms(shaped[:samples], 1.0)


def bandpass(wave: Wave, low_hz: float, high_hz: float, *, order: int = 2) -> Wave:
    """Keep what lies between two frequencies (Butterworth)."""
    return _butterworth(wave, (low_hz, high_hz), "bandpass", order)


def lowpass(wave: Wave, cutoff_hz: float, *, order: int = 2) -> Wave:
    """Keep what lies below `cutoff_hz` (Butterworth)."""
    return _butterworth(wave, cutoff_hz, "lowpass", order)


def highpass(wave: Wave, cutoff_hz: float, *, order: int = 2) -> Wave:
    """Keep what lies above `cutoff_hz` (Butterworth)."""
    return _butterworth(wave, cutoff_hz, "highpass", order)


def resonate(wave: Wave, frequency_hz: float, bandwidth_hz: float) -> Wave:
    """Pass through a two-pole resonator with a gain of about 1 at its centre."""
    from scipy.signal import lfilter

    radius = np.exp(-np.pi * bandwidth_hz / SAMPLE_RATE)
    angle = 2 * np.pi * frequency_hz / SAMPLE_RATE
    gain = (1 - radius) * np.sqrt(1 - 2 * radius * np.cos(2 * angle) + radius**2)
    return np.asarray(lfilter([gain], [1.0, -2 * radius * np.cos(angle), radius**2], wave))


def random_curve(
    samples: int, rng: np.random.Generator, *, points_per_s: float, low: float, high: float
) -> Wave:
    """Return a smooth random control curve between `low` and `high`."""
    points = max(int(samples / SAMPLE_RATE * points_per_s) + 2, 2)
    knots = rng.uniform(low, high, points)
    position = np.linspace(0, points - 1, samples)
    left = np.minimum(position.astype(int), points - 2)
    # A raised cosine between knots: no corners, which would be heard as clicks.
    blend = 0.5 - 0.5 * np.cos(np.pi * (position - left))
    return knots[left] * (1 - blend) + knots[left + 1] * blend


def integrate_phase(frequency_hz: Wave) -> Wave:
    """Integrate an instantaneous frequency into a phase in radians."""
    return 2 * np.pi * np.cumsum(frequency_hz) / SAMPLE_RATE


def overtones(angle: Wave, highest: int) -> Iterator[tuple[int, Wave]]:
    """Yield (n, sin(n * angle)) for n from 1 to `highest`, by Chebyshev's recurrence."""
    before, now, twice_cosine = np.zeros_like(angle), np.sin(angle), 2 * np.cos(angle)
    for order in range(1, highest + 1):
        yield order, now
        before, now = now, twice_cosine * now - before


def decay(samples: int, t60_s: float) -> Wave:
    """Return an exponential from 1 that has fallen by 60 dB after `t60_s`."""
    return np.exp(-6.9078 / t60_s * sample_times(samples))


def fade(wave: Wave, attack_s: float, release_s: float) -> Wave:
    """Fade in and out with raised cosines, each at most half of the wave."""
    shaped = wave.copy()
    rise = min(sample_count(attack_s), len(wave) // 2)
    fall = min(sample_count(release_s), len(wave) // 2)
    if rise:
        shaped[:rise] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise)
    if fall:
        shaped[-fall:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(fall) / fall)
    return shaped


def strike(
    samples: int,
    frequencies_hz: ArrayLike,
    amplitudes: ArrayLike,
    t60_s: ArrayLike,
    rng: np.random.Generator,
) -> Wave:
    """Return a struck body: a sum of decaying modes (modal synthesis), each at a random phase.

    The three lists give each mode's frequency, amplitude and the time in which it falls by 60 dB.
    """
    struck = np.zeros(samples)
    t = sample_times(samples)
    modes = np.stack([np.asarray(x, float) for x in (frequencies_hz, amplitudes, t60_s)], axis=1)
    for frequency_hz, amplitude, seconds in modes:
        if frequency_hz < MAX_PARTIAL_HZ:
            angle = 2 * np.pi * frequency_hz * t + rng.uniform(0, 2 * np.pi)
            struck += amplitude * np.sin(angle) * decay(samples, seconds)
    return fade(struck, 0.001, 0.002)


def overlay(track: Wave, piece: Wave, start_s: float, gain: float = 1.0) -> None:
    """Add `piece` into `track` at `start_s`, in place; what sticks out at the end is cut."""
    start = round(start_s * SAMPLE_RATE)
    room = max(len(track) - start, 0)
    track[start : start + len(piece)] += gain * piece[:room]


def rms(wave: Wave) -> float:
    """Return the root mean square, at least 1e-9."""
    return max(float(np.sqrt(np.mean(wave**2))), 1e-9)


def scale_to_rms(wave: Wave, level: float) -> Wave:
    """Scale to an RMS of `level`."""
    return wave * (level / rms(wave))


def scale_to_peak(wave: Wave, peak: float) -> Wave:
    """Scale to a largest magnitude of `peak`."""
    return wave * (peak / max(float(np.abs(wave).max()), 1e-9))


def db_to_gain(value_db: float) -> float:
    """Return the amplitude factor of a level difference in dB."""
    return 10 ** (value_db / 20)


def _butterworth(wave: Wave, cutoff_hz: float | tuple[float, float], kind: str, order: int) -> Wave:
    from scipy.signal import sosfilt

    return np.asarray(sosfilt(_filter_sections(cutoff_hz, kind, order), wave))


@functools.lru_cache(maxsize=256)
def _filter_sections(cutoff_hz: float | tuple[float, float], kind: str, order: int) -> np.ndarray:
    from scipy.signal import butter

    return np.asarray(butter(order, cutoff_hz, kind, fs=SAMPLE_RATE, output="sos"))
