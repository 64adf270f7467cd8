"""What several measurements share: a wave cut into frames, with levels and spectra."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float32
from numpy.lib.stride_tricks import sliding_window_view

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


def cut(wave: Float32[np.ndarray, " samples"], sample_rate: int) -> Frames:
    """Cut a wave (any length of at least one sample) into frames and take their spectra."""
    window = round(FRAME_S * sample_rate)
    if len(wave) < window:
        wave = np.pad(wave, (0, window - len(wave)))
    windows = sliding_window_view(wave, window)[:: round(HOP_S * sample_rate)]
    power = np.einsum("fs,fs->f", windows, windows) / window
    size = 1 << (window - 1).bit_length()
    spectrum = np.fft.rfft(windows * periodic_hann(window), n=size, axis=1)
    magnitude = np.abs(spectrum)
    mel = magnitude @ mel_bank(sample_rate, size)
    return Frames(wave, sample_rate, magnitude, np.log(mel + MEL_OFFSET), decibels(power))


def decibels(power: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """Return 10 lg(power), at least -100 dB."""
    return (10.0 * np.log10(np.maximum(power, 1e-10))).astype(np.float32)


@lru_cache(maxsize=8)
def periodic_hann(size: int) -> Float32[np.ndarray, " size"]:
    """Return the periodic Hann window, 0.5 - 0.5 cos(2 pi n / size)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


@lru_cache(maxsize=8)
def mel_bank(sample_rate: int, fft_size: int) -> Float32[np.ndarray, "bins bands"]:
    """Return triangles that are linear on the HTK mel scale 1127 ln(1 + f / 700), without 0 Hz."""
    lowest, highest = _mel(np.array([MEL_LOW_HZ, MEL_HIGH_HZ]))
    edges = np.linspace(lowest, highest, MEL_BANDS + 2)
    bins = _mel(np.arange(fft_size // 2 + 1) * sample_rate / fft_size)[:, None]
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - lower) / (centre - lower), (upper - bins) / (upper - centre)
    bank = np.maximum(0.0, np.minimum(rising, falling))
    bank[0] = 0.0
    return bank.astype(np.float32)


def _mel(frequency_hz: Float[np.ndarray, " bins"]) -> Float[np.ndarray, " bins"]:
    return 1127.0 * np.log1p(frequency_hz / 700.0)
