"""The colour of a sound: bright or dark, tonal or noisy, wide or narrow, major or minor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import median_filter

from earmark.annotate.backends.acoustic.frames import Frames, periodic_hann

LONG_WINDOW = 4096
LONG_HOP = 2048
PEAK_RATIO = 10.0
LOWEST_HZ = 60.0
CLIFF_DB = 25.0
# Krumhansl & Kessler (1982), probe tone ratings from the tonic upwards.
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


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
    heard = frequency >= LOWEST_HZ
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
        mode=mode_of(chroma),
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
    power[:, frequency < LOWEST_HZ] = 0.0
    peaks = np.where(level > PEAK_RATIO * around, power, 0.0)
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


def mode_of(chroma: Float[np.ndarray, " classes"]) -> str | None:
    """Return "major" or "minor" where one key's profile fits, and better than the other mode's.

    The fit is the correlation of Krumhansl's key-finding algorithm: at least 0.75, and 0.1 above
    the best key of the other mode.
    """
    if float(chroma.std()) < 1e-9 or int(np.sum(chroma > 0.15 * chroma.max())) < 4:
        return None
    fits = {
        name: max(float(np.corrcoef(chroma, np.roll(profile, tonic))[0, 1]) for tonic in range(12))
        for name, profile in (("major", _MAJOR), ("minor", _MINOR))
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
