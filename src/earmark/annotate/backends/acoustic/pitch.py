"""Pitch of a clip, its harmonics and vibrato, and the quality of a speaking voice.

The fundamental frequency is estimated by YIN (de Cheveigne & Kawahara, JASA 111(4), 2002), all
frames at once. Roughness of a voice is the irregularity of its period, as jitter is (Titze,
"Workshop on Acoustic Voice Analysis", 1995), taken over frames of 20 ms rather than single
periods.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import uniform_filter1d

from earmark.annotate.backends.acoustic.spectrum import Frames, LongSpectrum

PITCH_LOW_HZ = 50.0

PITCH_HIGH_HZ = 1600.0

PITCH_WINDOW_S = 0.040

PITCH_HOP_S = 0.020

YIN_THRESHOLD = 0.15
"""The absolute threshold of step 4: a frame whose aperiodicity is below it has a pitch."""


@dataclass(frozen=True)
class PitchTrack:
    """Pitch every 20 ms: `frequency_hz`, and `aperiodicity` from 0 (periodic) to about 1 (noise).

    A frame's frequency is only meaningful where `voiced`.
    """

    frequency_hz: Float32[np.ndarray, " frames"]
    aperiodicity: Float32[np.ndarray, " frames"]

    @property
    def voiced(self) -> Bool[np.ndarray, " frames"]:
        """Frames periodic enough to have a pitch."""
        return self.aperiodicity < YIN_THRESHOLD


def track_pitch(
    wave: Float32[np.ndarray, " samples"],
    sample_rate: int,
    *,
    lowest_hz: float = PITCH_LOW_HZ,
    highest_hz: float = PITCH_HIGH_HZ,
) -> PitchTrack:
    """Estimate pitch between `lowest_hz` and `highest_hz`; a short wave is padded to one frame."""
    window = round(PITCH_WINDOW_S * sample_rate)
    longest = int(np.ceil(sample_rate / lowest_hz)) + 1
    shortest = max(2, int(sample_rate / highest_hz))
    span = window + longest
    if len(wave) < span:
        wave = np.pad(wave, (0, span - len(wave)))
    frames = sliding_window_view(wave, span)[:: round(PITCH_HOP_S * sample_rate)]
    normalized = cumulative_mean_normalized_difference(frames, window)
    lag = _first_dip(normalized[:, shortest:longest]) + shortest
    period, depth = _refine_dip(normalized, lag)
    return PitchTrack(
        (sample_rate / period).astype(np.float32), np.clip(depth, 0.0, 2.0).astype(np.float32)
    )


def cumulative_mean_normalized_difference(
    frames: Float32[np.ndarray, "frames span"], window: int
) -> Float32[np.ndarray, "frames lags"]:
    """Return d'(lag) of equation 8 for lags 0 to span - window; 1 where a frame is silent.

    The difference function (equation 6) is the energy of the window, plus that of the window
    shifted by the lag, minus twice their correlation, which is had by FFT.
    """
    lags = frames.shape[1] - window + 1
    size = 1 << (frames.shape[1] - 1).bit_length()
    spectrum = np.fft.rfft(frames, n=size, axis=1)
    fixed = np.fft.rfft(frames[:, :window], n=size, axis=1)
    correlation = np.fft.irfft(np.conj(fixed) * spectrum, n=size, axis=1)[:, :lags]
    energy = np.zeros((len(frames), frames.shape[1] + 1), dtype=np.float64)
    np.cumsum(np.square(frames, dtype=np.float64), axis=1, out=energy[:, 1:])
    shifted = energy[:, window : window + lags] - energy[:, :lags]
    difference = np.maximum(shifted[:, :1] + shifted - 2.0 * correlation, 0.0)
    difference[:, 0] = 0.0
    mean = np.cumsum(difference, axis=1) / np.maximum(np.arange(lags), 1)
    heard = mean > 1e-12 * np.maximum(shifted[:, :1], 1e-12)
    result = np.divide(difference, mean, out=np.ones_like(difference), where=heard)
    return result.astype(np.float32)


def _first_dip(normalized: Float32[np.ndarray, "frames lags"]) -> np.ndarray:
    """Return the bottom of the first dip below the threshold, else the lowest point (step 4)."""
    below = normalized < YIN_THRESHOLD
    entry = np.argmax(below, axis=1)
    rising = np.ones_like(below)
    rising[:, :-1] = normalized[:, 1:] >= normalized[:, :-1]
    after = np.arange(normalized.shape[1]) >= entry[:, None]
    bottom = np.argmax(rising & after, axis=1)
    return np.where(below.any(axis=1), bottom, np.argmin(normalized, axis=1))


def _refine_dip(
    values: Float32[np.ndarray, "frames lags"], lag: np.ndarray
) -> tuple[Float[np.ndarray, " frames"], Float[np.ndarray, " frames"]]:
    """Refine a dip's place and depth by the parabola through its neighbours (step 5)."""
    row = np.arange(len(values))
    lag = np.clip(lag, 1, values.shape[1] - 2)
    left, middle, right = values[row, lag - 1], values[row, lag], values[row, lag + 1]
    curvature = left - 2.0 * middle + right
    bent = np.abs(curvature) > 1e-9
    offset = np.divide(0.5 * (left - right), curvature, out=np.zeros_like(middle), where=bent)
    offset = np.clip(offset, -1.0, 1.0)
    return lag + offset.astype(np.float64), middle - 0.25 * (left - right) * offset


HARMONICS = 20

MIN_PITCHED_WINDOWS = 2

MIN_PITCHED_SHARE = 0.7

MAX_HELD_SEMITONES = 0.8

MIN_RELATIVE_POWER = 1e-3

MIN_VIBRATO_HZ, MAX_VIBRATO_HZ = 4.0, 8.5

MIN_VIBRATO_POWER_SHARE = 0.7

MIN_VIBRATO_SEMITONES, MAX_VIBRATO_SEMITONES = 0.02, 1.2

MIN_NOTE_FRAMES = 20

MAX_NOTE_STEP_SEMITONES = 0.8

_VIBRATO_FFT_SIZE = 256


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
    windows = list(_pitched_windows(pitch, long))
    loudest = max((float(power.sum()) for power in windows), default=0.0)
    windows = [power for power in windows if _is_pitched(power, loudest)]
    if len(windows) < MIN_PITCHED_WINDOWS:
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


def measure_vibrato_share(pitch: PitchTrack) -> float:
    """Return the part of all held notes (0.4 s and more) whose pitch swings at 4 to 8.5 Hz.

    A note swings where a narrow band of its pitch's spectrum holds 0.7 of what is above 1 Hz.
    """
    held = swinging = 0
    for note in _held_notes(pitch):
        held += len(note)
        swinging += len(note) * _has_vibrato(note)
    return swinging / held if held else 0.0


def _pitched_windows(
    pitch: PitchTrack, long: LongSpectrum
) -> Iterator[Float[np.ndarray, " harmonics"]]:
    """Yield each pitched window's power at its harmonics."""
    step = float(long.frequency_hz[1])
    length = round(1.0 / step / PITCH_HOP_S)
    for window in range(len(long.power)):
        start = int(window * long.hop_s / PITCH_HOP_S)
        voiced = pitch.voiced[start : start + length]
        frequency = pitch.frequency_hz[start : start + length][voiced]
        if len(frequency) < max(4, MIN_PITCHED_SHARE * length):
            continue
        low, middle, high = np.percentile(frequency, [10, 50, 90])
        if 12.0 * np.log2(high / low) <= MAX_HELD_SEMITONES:
            yield _harmonic_power(long, window, float(middle))


def _is_pitched(power: Float[np.ndarray, " harmonics"], loudest: float) -> bool:
    """Tell a pitch from a divisor of several: chords and bells repeat where no partial is."""
    total = float(power.sum())
    return total > MIN_RELATIVE_POWER * loudest and float(power[0]) > MIN_RELATIVE_POWER * total


def _harmonic_power(
    long: LongSpectrum, window: int, pitch_hz: float
) -> Float[np.ndarray, " harmonics"]:
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


def _held_notes(pitch: PitchTrack) -> Iterator[Float[np.ndarray, " frames"]]:
    """Yield the pitch in semitones of each held note, without its first and last 40 ms."""
    semitones = 12.0 * np.log2(pitch.frequency_hz.astype(np.float64))
    leaps = np.abs(np.diff(semitones)) > MAX_NOTE_STEP_SEMITONES
    breaks = leaps | ~pitch.voiced[1:] | ~pitch.voiced[:-1]
    for note in np.split(semitones, np.flatnonzero(breaks) + 1):
        if len(note) >= MIN_NOTE_FRAMES:
            yield note[2:-2]


def _has_vibrato(note: Float[np.ndarray, " frames"]) -> bool:
    swing = note - uniform_filter1d(note, 13)
    if not MIN_VIBRATO_SEMITONES <= float(swing.std()) <= MAX_VIBRATO_SEMITONES:
        return False
    power = np.square(np.abs(np.fft.rfft(swing * np.hanning(len(swing)), _VIBRATO_FFT_SIZE)))
    rate_hz = np.fft.rfftfreq(_VIBRATO_FFT_SIZE, PITCH_HOP_S)
    usual = (rate_hz >= MIN_VIBRATO_HZ) & (rate_hz <= MAX_VIBRATO_HZ)
    fastest = rate_hz[int(np.argmax(power * usual))]
    near = np.abs(rate_hz - fastest) <= 2.0 / (PITCH_HOP_S * len(note))
    return float(power[near].sum()) > MIN_VIBRATO_POWER_SHARE * float(power[rate_hz > 1.0].sum())


LOUD_SPEECH_RANGE_DB = 15.0

VOICE_LOW_HZ = 60.0

VOICE_HIGH_HZ = 500.0

MAX_SPEECH_APERIODICITY = 0.3

MIN_PITCH_STEPS = 10


@dataclass(frozen=True)
class Voicing:
    """Measured on frames of speech.

    `voiced_share` is the part of its loud frames (within 15 dB of the 95th percentile) that are
    periodic, `aperiodicity` their median from 0 (periodic) to about 1 (noise). `centroid_hz` is the
    power-weighted mean frequency. `irregularity_semitones` is the median second difference of the
    pitch from frame to frame, which a glide leaves at 0; None with less than 0.2 s of voice.
    """

    voiced_share: float
    aperiodicity: float
    centroid_hz: float
    irregularity_semitones: float | None = None


def measure_voicing(
    pitch: PitchTrack,
    frames: Frames,
    speaking: Bool[np.ndarray, " pitch_frames"],
    level_db: Float32[np.ndarray, " pitch_frames"],
    spoken: Bool[np.ndarray, " frames"],
) -> Voicing | None:
    """Measure a voice; None where `speaking` (pitch frames) or `spoken` (level frames) has none.

    `level_db` is the level at each frame of the pitch track.
    """
    if not speaking.any() or not spoken.any():
        return None
    loud = speaking & (level_db > np.percentile(level_db[speaking], 95) - LOUD_SPEECH_RANGE_DB)
    in_range = (pitch.frequency_hz > VOICE_LOW_HZ) & (pitch.frequency_hz < VOICE_HIGH_HZ)
    voiced = in_range & (pitch.aperiodicity < MAX_SPEECH_APERIODICITY)
    return Voicing(
        voiced_share=float(voiced[loud].mean()),
        aperiodicity=float(np.median(pitch.aperiodicity[loud])),
        centroid_hz=_speech_centroid_hz(frames, spoken),
        irregularity_semitones=_pitch_irregularity(pitch, voiced & speaking),
    )


def _speech_centroid_hz(frames: Frames, spoken: Bool[np.ndarray, " frames"]) -> float:
    power = np.square(frames.magnitude[spoken]).mean(axis=0)
    frequency = frames.frequency_hz
    power[frequency < VOICE_LOW_HZ] = 0.0
    return float(power @ frequency) / max(float(power.sum()), 1e-20)


def _pitch_irregularity(
    pitch: PitchTrack, voiced: Bool[np.ndarray, " pitch_frames"]
) -> float | None:
    bends = np.abs(np.diff(12.0 * np.log2(pitch.frequency_hz), n=2))
    bends = bends[voiced[2:] & voiced[1:-1] & voiced[:-2]] if len(voiced) > 2 else bends[:0]
    return float(np.median(bends)) if len(bends) >= MIN_PITCH_STEPS else None
