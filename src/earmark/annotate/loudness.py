"""Peak and integrated loudness of audio of any length, block by block (ITU-R BS.1770-4, annex 1).

The standard gives its K-weighting filter for 48 kHz only. Other rates use the same analogue
prototypes through the bilinear transform, in the parameters that B. De Man worked out ("Evaluation
of Implementations of the EBU R128 Loudness Measurement", AES Convention 145, 2018), with the gain
that the filter has at 48 kHz.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

FLOOR_DB = -100.0
"""What digital silence is given, in dBFS and LUFS."""

HOPS_IN_BLOCK = 4  # gating blocks of 400 ms that start every 100 ms
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
OFFSET_LUFS = -0.691

# Table 3: left, right and centre count once, the surrounds more, the low-frequency channel not.
CHANNEL_WEIGHTS = {5: (1.0, 1.0, 1.0, 1.41, 1.41), 6: (1.0, 1.0, 1.0, 0.0, 1.41, 1.41)}


@dataclass(frozen=True)
class Level:
    """Sample peak in dBFS and integrated loudness in LUFS, both at least -100."""

    peak_dbfs: float
    loudness_lufs: float


def measure_level(blocks: Iterable[Float32[np.ndarray, "_ channels"]], sample_rate: int) -> Level:
    """Measure audio that comes in consecutive blocks.

    Loudness is gated at -70 LUFS and then 10 LU below what is left. Audio under 0.4 s, or all
    below the first gate, has no gated block: then it is the loudness of the whole.

    Args:
        blocks: samples in [-1, 1]; 5 channels are taken as L R C Ls Rs, 6 as L R C LFE Ls Rs,
            any other number counts each channel once.
        sample_rate: Hz.
    """
    from scipy.signal import sosfilt

    sections = k_weighting(sample_rate)
    state: Float64[np.ndarray, "sections 2 channels"] | None = None
    rest: Float64[np.ndarray, " samples"] = np.zeros(0)
    hop = max(round(sample_rate / 10), 1)
    peak, energy, samples = 0.0, 0.0, 0
    hops: list[Float64[np.ndarray, " hops"]] = []
    for block in blocks:
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
        if state is None:
            state = np.zeros((len(sections), 2, block.shape[1]))
        weighted, state = sosfilt(sections, block.astype(np.float64), axis=0, zi=state)
        power = np.square(weighted) @ channel_weights(block.shape[1])
        energy, samples = energy + float(power.sum()), samples + len(power)
        power = np.concatenate([rest, power])
        whole = len(power) // hop * hop
        hops.append(power[:whole].reshape(-1, hop).mean(axis=1))
        rest = power[whole:]
    gated = _gated_power(np.concatenate(hops)) if hops else None
    power_mean = energy / max(samples, 1) if gated is None else gated
    return Level(_decibels(peak**2), max(OFFSET_LUFS + _decibels(power_mean), FLOOR_DB))


def k_weighting(sample_rate: int) -> Float64[np.ndarray, "2 6"]:
    """Return the two second-order sections of the K-weighting filter at a rate in Hz.

    At 48 kHz these are the coefficients of BS.1770-4, tables 1 and 2.
    """
    return np.array([_head_shelf_filter(sample_rate), _high_pass_filter(sample_rate)])


def channel_weights(channels: int) -> Float64[np.ndarray, " channels"]:
    """Return the weight of each channel's power (BS.1770-4, table 3)."""
    return np.array(CHANNEL_WEIGHTS.get(channels, (1.0,) * channels))


def _head_shelf_filter(sample_rate: int) -> list[float]:
    """Stage 1: +4 dB above about 1.7 kHz, as a spherical head has."""
    # Below 4 kHz the corner would lie past half the rate, where no filter can be.
    k = math.tan(math.pi * min(1681.974450955533 / sample_rate, 0.45))
    q = 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    norm = 1 + k / q + k * k
    return [
        (high + band * k / q + k * k) / norm,
        2 * (k * k - high) / norm,
        (high - band * k / q + k * k) / norm,
        1.0,
        2 * (k * k - 1) / norm,
        (1 - k / q + k * k) / norm,
    ]


def _high_pass_filter(sample_rate: int) -> list[float]:
    """Stage 2: a high pass at 38 Hz."""
    q = 0.5003270373238773
    k = math.tan(math.pi * min(38.13547087602444 / sample_rate, 0.45))
    k48 = math.tan(math.pi * 38.13547087602444 / 48000)
    norm = 1 + k / q + k * k
    # The standard's numerator is 1, -2, 1 at 48 kHz, a gain of 0.04 dB that other rates must share.
    gain = (1 + k48 / q + k48 * k48) / norm
    return [gain, -2 * gain, gain, 1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm]


def _gated_power(hops: Float64[np.ndarray, " hops"]) -> float | None:
    """Return the mean power of the blocks that pass both gates (formulas 4 to 7), None if none."""
    if len(hops) < HOPS_IN_BLOCK:
        return None
    sums = np.concatenate([[0.0], np.cumsum(hops)])
    blocks = np.maximum(sums[HOPS_IN_BLOCK:] - sums[:-HOPS_IN_BLOCK], 0.0) / HOPS_IN_BLOCK
    loud = blocks[blocks > 10 ** ((ABSOLUTE_GATE_LUFS - OFFSET_LUFS) / 10)]
    if not len(loud):
        return None
    return float(loud[loud > loud.mean() * 10 ** (RELATIVE_GATE_LU / 10)].mean())


def _decibels(power: float) -> float:
    return max(10 * math.log10(power), FLOOR_DB) if power > 0 else FLOOR_DB
