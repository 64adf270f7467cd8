"""Fundamental frequency by YIN (de Cheveigne & Kawahara, JASA 111(4), 2002), all frames at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32
from numpy.lib.stride_tricks import sliding_window_view

LOWEST_HZ = 50.0
HIGHEST_HZ = 1600.0
WINDOW_S = 0.040
HOP_S = 0.020
THRESHOLD = 0.15
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
        return self.aperiodicity < THRESHOLD


def track(
    wave: Float32[np.ndarray, " samples"],
    sample_rate: int,
    *,
    lowest_hz: float = LOWEST_HZ,
    highest_hz: float = HIGHEST_HZ,
) -> PitchTrack:
    """Estimate pitch between `lowest_hz` and `highest_hz`; a short wave is padded to one frame."""
    window = round(WINDOW_S * sample_rate)
    longest = int(np.ceil(sample_rate / lowest_hz)) + 1
    shortest = max(2, int(sample_rate / highest_hz))
    span = window + longest
    if len(wave) < span:
        wave = np.pad(wave, (0, span - len(wave)))
    frames = sliding_window_view(wave, span)[:: round(HOP_S * sample_rate)]
    normalised = cumulative_mean_normalised_difference(frames, window)
    lag = _first_dip(normalised[:, shortest:longest]) + shortest
    period, depth = _parabola(normalised, lag)
    return PitchTrack(
        (sample_rate / period).astype(np.float32), np.clip(depth, 0.0, 2.0).astype(np.float32)
    )


def cumulative_mean_normalised_difference(
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


def _first_dip(normalised: Float32[np.ndarray, "frames lags"]) -> np.ndarray:
    """Return the bottom of the first dip below the threshold, else the lowest point (step 4)."""
    below = normalised < THRESHOLD
    entry = np.argmax(below, axis=1)
    rising = np.ones_like(below)
    rising[:, :-1] = normalised[:, 1:] >= normalised[:, :-1]
    after = np.arange(normalised.shape[1]) >= entry[:, None]
    bottom = np.argmax(rising & after, axis=1)
    return np.where(below.any(axis=1), bottom, np.argmin(normalised, axis=1))


def _parabola(
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
