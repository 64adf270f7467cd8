"""The harmonics of pitched sounds: which of them are strong, and vibrato."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import uniform_filter1d

from earmark.annotate.backends.acoustic.pitch import HOP_S, PitchTrack
from earmark.annotate.backends.acoustic.spectrum import LongSpectrum

HARMONICS = 20
LEAST_WINDOWS = 2
PITCHED_SHARE = 0.7
WIDEST_SEMITONES = 0.8
QUIETEST = 1e-3
SLOWEST_VIBRATO_HZ, FASTEST_VIBRATO_HZ = 4.0, 8.5
VIBRATO_POWER = 0.7
NARROWEST_VIBRATO, WIDEST_VIBRATO = 0.02, 1.2
NOTE_FRAMES = 20
NOTE_STEP_SEMITONES = 0.8
_TRANSFORM = 256


@dataclass(frozen=True)
class Partials:
    """Medians over windows of 0.26 s in which one pitch is held within 0.8 semitones.

    `even_share` is the power of harmonics 2, 4 and 6 among harmonics 2 to 6, about 0 for a pipe
    closed at one end; `overtone_share` all that is not the fundamental; `centre` the mean harmonic
    number weighted by amplitude, 1 for a sine; `upper_share` the power of harmonics 7 to 20.
    """

    even_share: float
    overtone_share: float
    centre: float
    upper_share: float


def measure_partials(pitch: PitchTrack, long: LongSpectrum) -> Partials | None:
    """Measure the harmonics 1 to 20; None where fewer than two windows hold one pitch."""
    windows = list(_windows(pitch, long))
    loudest = max((float(power.sum()) for power in windows), default=0.0)
    windows = [power for power in windows if _is_pitched(power, loudest)]
    if len(windows) < LEAST_WINDOWS:
        return None
    power = np.stack(windows)
    share = power / power.sum(axis=1, keepdims=True)
    amplitude = np.sqrt(share)
    even, odd = share[:, 1:6:2].sum(axis=1), share[:, 2:6:2].sum(axis=1)
    centre = amplitude @ np.arange(1, HARMONICS + 1) / amplitude.sum(axis=1)
    return Partials(
        even_share=float(np.median(even / np.maximum(even + odd, 1e-9))),
        overtone_share=float(np.median(1.0 - share[:, 0])),
        centre=float(np.median(centre)),
        upper_share=float(np.median(share[:, 6:].sum(axis=1))),
    )


def vibrato_share(pitch: PitchTrack) -> float:
    """Return the part of all held notes (0.4 s and more) whose pitch swings at 4 to 8.5 Hz.

    A note swings where a narrow band of its pitch's spectrum holds 0.7 of what is above 1 Hz.
    """
    held = swinging = 0
    for note in _notes(pitch):
        held += len(note)
        swinging += len(note) * _swings(note)
    return swinging / held if held else 0.0


def _windows(pitch: PitchTrack, long: LongSpectrum) -> Iterator[Float[np.ndarray, " harmonics"]]:
    """Yield each pitched window's power at its harmonics."""
    step = float(long.frequency_hz[1])
    length = round(1.0 / step / HOP_S)
    for window in range(len(long.power)):
        start = int(window * long.hop_s / HOP_S)
        voiced = pitch.voiced[start : start + length]
        frequency = pitch.frequency_hz[start : start + length][voiced]
        if len(frequency) < max(4, PITCHED_SHARE * length):
            continue
        low, middle, high = np.percentile(frequency, [10, 50, 90])
        if 12.0 * np.log2(high / low) <= WIDEST_SEMITONES:
            yield _harmonics(long, window, float(middle))


def _is_pitched(power: Float[np.ndarray, " harmonics"], loudest: float) -> bool:
    """Tell a pitch from a divisor of several: chords and bells repeat where no partial is."""
    total = float(power.sum())
    return total > QUIETEST * loudest and float(power[0]) > QUIETEST * total


def _harmonics(long: LongSpectrum, window: int, pitch_hz: float) -> Float[np.ndarray, " harmonics"]:
    step, highest = float(long.frequency_hz[1]), float(long.frequency_hz[-1])
    found = np.zeros(HARMONICS)
    for place in range(HARMONICS):
        centre = (place + 1) * pitch_hz
        width = min(max(8.0, 0.02 * centre), 0.45 * pitch_hz)
        if centre + width > highest:
            break
        near = slice(int((centre - width) / step), int((centre + width) / step) + 2)
        found[place] = long.power[window, near].sum()
    return found


def _notes(pitch: PitchTrack) -> Iterator[Float[np.ndarray, " frames"]]:
    """Yield the pitch in semitones of each held note, without its first and last 40 ms."""
    semitones = 12.0 * np.log2(pitch.frequency_hz.astype(np.float64))
    leaps = np.abs(np.diff(semitones)) > NOTE_STEP_SEMITONES
    breaks = leaps | ~pitch.voiced[1:] | ~pitch.voiced[:-1]
    for note in np.split(semitones, np.flatnonzero(breaks) + 1):
        if len(note) >= NOTE_FRAMES:
            yield note[2:-2]


def _swings(note: Float[np.ndarray, " frames"]) -> bool:
    swing = note - uniform_filter1d(note, 13)
    if not NARROWEST_VIBRATO <= float(swing.std()) <= WIDEST_VIBRATO:
        return False
    power = np.square(np.abs(np.fft.rfft(swing * np.hanning(len(swing)), _TRANSFORM)))
    rate_hz = np.fft.rfftfreq(_TRANSFORM, HOP_S)
    usual = (rate_hz >= SLOWEST_VIBRATO_HZ) & (rate_hz <= FASTEST_VIBRATO_HZ)
    fastest = rate_hz[int(np.argmax(power * usual))]
    near = np.abs(rate_hz - fastest) <= 2.0 / (HOP_S * len(note))
    return float(power[near].sum()) > VIBRATO_POWER * float(power[rate_hz > 1.0].sum())
