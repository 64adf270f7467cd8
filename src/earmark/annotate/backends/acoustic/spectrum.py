"""Frames and spectra of a wave, and what they show: timbre, and the strongest peak over time.

`Frames` holds short frames (25 ms, every 10 ms) and `LongSpectrum` windows that are fine enough to
tell tones from noise. `Timbre` says how bright, tonal, noisy or wide a sound is, and whether it is
in major or minor. `Ridge` follows the strongest narrow peak: whistles, beeps, sirens, sweeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float32
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import median_filter, uniform_filter1d

FRAME_S = 0.025

HOP_S = 0.010

MEL_BANDS = 64

MEL_LOW_HZ, MEL_HIGH_HZ = 125.0, 7500.0

MEL_OFFSET = 0.001

SILENCE_DBFS = -60.0
"""Frames below this level count as silent."""


@dataclass(frozen=True)
class Frames:
    """A mono wave in 25 ms frames every 10 ms.

    `magnitude` is that of the Hann-windowed spectrum from 0 Hz to half the sample rate, `log_mel`
    is ln(mel + 0.001) of 64 bands (Hershey et al. 2017, section 2), `level_db` the RMS level of
    each frame in dB relative to full scale, at least -100.
    """

    wave: Float32[np.ndarray, " samples"]
    sample_rate: int
    magnitude: Float32[np.ndarray, "frames bins"]
    log_mel: Float32[np.ndarray, "frames bands"]
    level_db: Float32[np.ndarray, " frames"]

    @property
    def duration_s(self) -> float:
        """Length of the wave in seconds."""
        return len(self.wave) / self.sample_rate

    @property
    def frequency_hz(self) -> Float[np.ndarray, " bins"]:
        """Frequency of each bin of `magnitude`."""
        return np.linspace(0.0, self.sample_rate / 2.0, self.magnitude.shape[1])

    @property
    def active(self) -> Bool[np.ndarray, " frames"]:
        """Frames that are neither silent nor more than 40 dB below the loudest tenth."""
        loud = np.percentile(self.level_db, 90)
        return self.level_db > max(SILENCE_DBFS, float(loud) - 40.0)


def cut_frames(wave: Float32[np.ndarray, " samples"], sample_rate: int) -> Frames:
    """Cut a wave (any length of at least one sample) into frames and take their spectra."""
    window = round(FRAME_S * sample_rate)
    if len(wave) < window:
        wave = np.pad(wave, (0, window - len(wave)))
    windows = sliding_window_view(wave, window)[:: round(HOP_S * sample_rate)]
    power = np.einsum("fs,fs->f", windows, windows) / window
    size = 1 << (window - 1).bit_length()
    spectrum = np.fft.rfft(windows * periodic_hann(window), n=size, axis=1)
    magnitude = np.abs(spectrum)
    mel = magnitude @ mel_filterbank(sample_rate, size)
    return Frames(wave, sample_rate, magnitude, np.log(mel + MEL_OFFSET), power_to_db(power))


def power_to_db(power: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """Return 10 lg(power), at least -100 dB."""
    return (10.0 * np.log10(np.maximum(power, 1e-10))).astype(np.float32)


@lru_cache(maxsize=8)
def periodic_hann(size: int) -> Float32[np.ndarray, " size"]:
    """Return the periodic Hann window, 0.5 - 0.5 cos(2 pi n / size)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


@lru_cache(maxsize=8)
def mel_filterbank(sample_rate: int, fft_size: int) -> Float32[np.ndarray, "bins bands"]:
    """Return triangles that are linear on the HTK mel scale 1127 ln(1 + f / 700), without 0 Hz."""
    lowest, highest = _hz_to_mel(np.array([MEL_LOW_HZ, MEL_HIGH_HZ]))
    edges = np.linspace(lowest, highest, MEL_BANDS + 2)
    bins = _hz_to_mel(np.arange(fft_size // 2 + 1) * sample_rate / fft_size)[:, None]
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - lower) / (centre - lower), (upper - bins) / (upper - centre)
    bank = np.maximum(0.0, np.minimum(rising, falling))
    bank[0] = 0.0
    return bank.astype(np.float32)


def _hz_to_mel(frequency_hz: Float[np.ndarray, " bins"]) -> Float[np.ndarray, " bins"]:
    return 1127.0 * np.log1p(frequency_hz / 700.0)


LONG_WINDOW = 4096

LONG_HOP = 2048

TONAL_PEAK_RATIO = 10.0

TIMBRE_LOW_HZ = 60.0

CLIFF_DB = 25.0

# Krumhansl & Kessler (1982), probe tone ratings from the tonic upwards.
_MAJOR_PROFILE = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)

_MINOR_PROFILE = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


@dataclass(frozen=True)
class Timbre:
    """Spectral shape of the frames that sound.

    `centroid_hz` is the magnitude-weighted mean frequency, `rolloff_hz` the frequency below which
    95 % of the power lies, `bass_share` and `treble_share` the power below 200 Hz and above 4 kHz,
    `rumble_share` and `low_share` that below 150 and 300 Hz, `hiss_share` that above 3 kHz.
    `flatness` is the geometric mean of the power over the arithmetic, 1 for white noise.
    `tonal_share` is the power in narrow peaks that stand ten times above their surroundings: near
    1 for tones and chords, about 0.1 for noise of any colour. `cliff_hz` is where the spectrum
    ends abruptly below half the sample rate, else None. `pitch_classes` counts the notes of the
    octave in use; `mode` is "major" or "minor" where a key profile fits clearly, else None.
    """

    centroid_hz: float
    rolloff_hz: float
    bass_share: float
    treble_share: float
    rumble_share: float
    low_share: float
    hiss_share: float
    flatness: float
    tonal_share: float
    cliff_hz: float | None
    pitch_classes: int
    mode: str | None


def measure_timbre(frames: Frames, long: LongSpectrum) -> Timbre:
    """Measure the spectral shape; a clip of silence gives zeros."""
    magnitude = frames.magnitude[frames.active]
    size = 2 * (frames.magnitude.shape[1] - 1)
    frequency = np.arange(frames.magnitude.shape[1]) * frames.sample_rate / size
    heard = frequency >= TIMBRE_LOW_HZ
    power = np.mean(np.square(magnitude), axis=0) * heard if len(magnitude) else 0.0 * frequency
    total = max(float(power.sum()), 1e-20)
    amplitude = magnitude.sum(axis=0) * heard
    chroma = _chroma(long)
    return Timbre(
        centroid_hz=float(amplitude @ frequency) / max(float(amplitude.sum()), 1e-20),
        rolloff_hz=float(frequency[np.argmax(np.cumsum(power) >= 0.95 * power.sum())]),
        bass_share=float(power[frequency < 200.0].sum()) / total,
        treble_share=float(power[frequency > 4000.0].sum()) / total,
        rumble_share=float(power[frequency < 150.0].sum()) / total,
        low_share=float(power[frequency < 300.0].sum()) / total,
        hiss_share=float(power[frequency > 3000.0].sum()) / total,
        flatness=_flatness(power[heard]),
        tonal_share=float(long.peaks.sum() / max(float(long.power.sum()), 1e-20)),
        cliff_hz=spectral_cliff_hz(power, frequency),
        pitch_classes=int(np.sum(chroma > 0.25 * max(float(chroma.max()), 1e-20))),
        mode=musical_mode(chroma),
    )


@dataclass(frozen=True)
class LongSpectrum:
    """Power spectra of windows of 4096 samples, and the part of each that is in narrow peaks."""

    frequency_hz: Float[np.ndarray, " bins"]
    hop_s: float
    power: Float32[np.ndarray, "windows bins"]
    peaks: Float32[np.ndarray, "windows bins"]

    def share_near(self, frequency_hz: float) -> float:
        """Return the part of the power in peaks that is within a semitone (or 8 Hz) of a pitch."""
        width = max(8.0, 0.06 * frequency_hz)
        near = np.abs(self.frequency_hz - frequency_hz) <= width
        total = float(self.peaks.sum())
        return float(self.peaks[:, near].sum()) / total if total > 0.0 else 0.0


def long_spectrum(frames: Frames) -> LongSpectrum:
    """Take spectra fine enough to tell tones from noise."""
    wave = np.pad(frames.wave, (0, max(0, LONG_WINDOW - len(frames.wave))))
    windows = sliding_window_view(wave, LONG_WINDOW)[::LONG_HOP] * periodic_hann(LONG_WINDOW)
    power = np.square(np.abs(np.fft.rfft(windows, axis=1))).astype(np.float32)
    frequency = np.arange(power.shape[1]) * frames.sample_rate / LONG_WINDOW
    # Raised by 6 dB an octave, so that the slope of dark noise is not taken for a peak.
    level = power * np.square(frequency / 1000.0).astype(np.float32)
    around = median_filter(level[:, ::2], size=(1, 25), mode="nearest")
    around = np.repeat(around, 2, axis=1)[:, : level.shape[1]]
    power[:, frequency < TIMBRE_LOW_HZ] = 0.0
    peaks = np.where(level > TONAL_PEAK_RATIO * around, power, 0.0)
    return LongSpectrum(frequency, LONG_HOP / frames.sample_rate, power, peaks)


def spectral_cliff_hz(
    power: Float[np.ndarray, " bins"], frequency: Float[np.ndarray, " bins"]
) -> float | None:
    """Return where the mean spectrum falls by 25 dB within 400 Hz and stays down, else None."""
    level = 10.0 * np.log10(np.maximum(power, 1e-14))
    step = max(1, int(400.0 / float(frequency[1])))
    if len(level) < 4 * step:
        return None
    drop = level[:-step] - level[step:]
    above = np.maximum.accumulate(level[::-1])[::-1]
    stays_down = above[step:] < level[:-step] - CLIFF_DB
    possible = stays_down & (drop > CLIFF_DB) & (frequency[:-step] > 1000.0)
    places = np.flatnonzero(possible)
    if not len(places):
        return None
    edge = level[places[0] : places[0] + step] > level[places[0]] - CLIFF_DB / 2.0
    return float(frequency[places[0] + int(np.flatnonzero(edge)[-1])])


def musical_mode(chroma: Float[np.ndarray, " classes"]) -> str | None:
    """Return "major" or "minor" where one key's profile fits, and better than the other mode's.

    The fit is the correlation of Krumhansl's key-finding algorithm: at least 0.75, and 0.1 above
    the best key of the other mode.
    """
    if float(chroma.std()) < 1e-9 or int(np.sum(chroma > 0.15 * chroma.max())) < 4:
        return None
    fits = {
        name: max(float(np.corrcoef(chroma, np.roll(profile, tonic))[0, 1]) for tonic in range(12))
        for name, profile in (("major", _MAJOR_PROFILE), ("minor", _MINOR_PROFILE))
    }
    best = max(fits, key=lambda name: fits[name])
    other = min(fits, key=lambda name: fits[name])
    return best if fits[best] >= 0.75 and fits[best] - fits[other] >= 0.1 else None


def _flatness(power: Float[np.ndarray, " bins"]) -> float:
    mean = float(power.mean())
    return float(np.exp(np.log(power + 1e-15).mean())) / mean if mean > 1e-12 else 0.0


def _chroma(long: LongSpectrum) -> Float[np.ndarray, " classes"]:
    """Fold the peaks between 110 and 2000 Hz into the twelve pitch classes (square root power)."""
    frequency = long.frequency_hz
    used = (frequency > 110.0) & (frequency < 2000.0)
    note = np.rint(12.0 * np.log2(frequency[used] / 440.0)).astype(int) % 12
    strength = np.sqrt(long.peaks[:, used].astype(np.float64)).sum(axis=0)
    return np.bincount(note, weights=strength, minlength=12)


RIDGE_LOW_HZ = 60.0

RIDGE_POWER_SHARE = 0.8

MIN_RIDGE_FRAMES = 10

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
    power[:, frames.frequency_hz < RIDGE_LOW_HZ] = 0.0
    peak = power[:, 1:-1].argmax(axis=1) + 1
    row = np.arange(len(power))
    last = power.shape[1] - 1
    near = sum(power[row, np.clip(peak + place, 0, last)] for place in range(-2, 3))
    alone = frames.active & (near > RIDGE_POWER_SHARE * np.maximum(power.sum(axis=1), 1e-20))
    share = float(alone.sum()) / max(int(frames.active.sum()), 1)
    if alone.sum() < MIN_RIDGE_FRAMES:
        return Ridge(share)
    semitones = 12.0 * np.log2(_refine_peaks_hz(power, peak, float(frames.frequency_hz[1])))
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
        steady_share=_share(np.abs(steps) < STEADY_SEMITONES),
        rising_share=_share(steps > SWEPT_SEMITONES),
        falling_share=_share(steps < -SWEPT_SEMITONES),
        commonest=(first, second),
    )


def _refine_peaks_hz(
    power: Float32[np.ndarray, "frames bins"], peak: np.ndarray, step_hz: float
) -> Float[np.ndarray, " frames"]:
    """Place each peak between bins by a parabola on the logarithm."""
    row = np.arange(len(power))
    left, middle, right = (np.log(power[row, peak + place] + 1e-12) for place in (-1, 0, 1))
    curvature = np.minimum(left - 2.0 * middle + right, -1e-6)
    return (peak + np.clip(0.5 * (left - right) / curvature, -0.5, 0.5)) * step_hz


def _share(flags: np.ndarray) -> float:
    return float(flags.mean()) if len(flags) else 0.0
