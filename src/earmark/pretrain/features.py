"""Kaldi's log-mel spectrogram and SpecAugment, in torch, on a batch, on its device.

Frames of 25 ms every 10 ms; for each frame the mean is removed, pre-emphasis applied, a povey
window multiplied and the power spectrum summed by triangular mel filters. This is the feature that
Kaldi's `compute-fbank-feats` and the authors' recipes use (PAPER section 3), with `snip_edges`
false, no dither, and samples in [-1, 1]. A clip's frames depend on its real samples alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor, nn

from earmark.pretrain.config import SpecAugmentConfig
from earmark.pretrain.randomness import generator

FRAME_RATE = 100.0
"""Log-mel frames a second."""

PRE_EMPHASIS = 0.97
POVEY_EXPONENT = 0.85
LOWEST_HZ = 20.0
BELOW_NYQUIST_HZ = 400.0
POWER_FLOOR = float(np.finfo(np.float32).eps)

TYPICAL_MEAN = -6.5
TYPICAL_DEVIATION = 5.4
"""Of log-mel values over recordings of speech, instruments and environmental sound."""


class LogMel(nn.Module):
    """Waves in [-1, 1] to natural-log mel energies, float32 whatever autocast says.

    Args:
        sample_rate: of the waves, Hz; above 840 Hz, so that some band is left.
        mel_bins: filters, evenly spaced in mel from 20 Hz to 400 Hz below Nyquist.

    Raises:
        ValueError: so many bins that a filter would hold no bin of the spectrum.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, sample_rate: int, mel_bins: int) -> None:
        super().__init__()
        self.width = round(0.025 * sample_rate)
        self.shift = round(0.010 * sample_rate)
        self.fft_size = 2 ** math.ceil(math.log2(self.width))
        filters = mel_filters(sample_rate, self.fft_size, mel_bins)
        self.register_buffer("window", povey_window(self.width), persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def frame_lengths(self, lengths: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """Return the frames of clips of so many samples: one every 10 ms, at least one."""
        frames = torch.div(lengths + self.shift // 2, self.shift, rounding_mode="floor")
        return frames.clamp(min=1)

    def forward(
        self, wave: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float32[Tensor, "batch frames bins"], Int[Tensor, " batch"]]:
        """Return log-mel frames and how many of each row are real; the others hold anything."""
        with torch.autocast(wave.device.type, enabled=False):
            frame_lengths = self.frame_lengths(lengths)
            frames = self._frames(wave.float(), lengths, int(frame_lengths.max()))
            spectrum = torch.fft.rfft(self._shape(frames), n=self.fft_size)
            power = torch.view_as_real(spectrum).square().sum(dim=-1)
            return (power @ self.filters).clamp(min=POWER_FLOOR).log(), frame_lengths

    def _frames(
        self, wave: Float32[Tensor, "batch samples"], lengths: Int[Tensor, " batch"], count: int
    ) -> Float32[Tensor, "batch frames width"]:
        """Cut overlapping frames centred in their shifts, mirroring at both ends of each clip."""
        left = (self.width - self.shift) // 2
        total = (count - 1) * self.shift + self.width
        period = 2 * lengths.unsqueeze(1)
        place = torch.remainder(torch.arange(total, device=wave.device) - left, period)
        mirrored = wave.gather(1, torch.minimum(place, period - 1 - place))
        return mirrored.unfold(1, self.width, self.shift)

    def _shape(
        self, frames: Float32[Tensor, "batch frames width"]
    ) -> Float32[Tensor, "batch frames width"]:
        centred = frames - frames.mean(dim=-1, keepdim=True)
        # Kaldi's edge rule: the sample before a frame's first is taken to equal the first.
        before = torch.cat([centred[..., :1], centred[..., :-1]], dim=-1)
        return torch.sub(centred, before, alpha=PRE_EMPHASIS) * self.window


def normalised(
    log_mel: Float32[Tensor, "batch frames bins"], mask: Bool[Tensor, "batch frames"]
) -> Float32[Tensor, "batch frames bins"]:
    """Scale log-mel to about zero mean and unit deviation by constants; padding becomes zero."""
    scaled = (log_mel - TYPICAL_MEAN) / TYPICAL_DEVIATION
    return scaled.masked_fill(~mask.unsqueeze(-1), 0.0)


def length_mask(lengths: Int[Tensor, " batch"], size: int) -> Bool[Tensor, "batch size"]:
    """Return True at positions below each row's length."""
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)


def povey_window(width: int) -> Float32[Tensor, " width"]:
    """Return Kaldi's povey window: a Hann window to the power 0.85."""
    phase = torch.arange(width, dtype=torch.float64) * (2 * math.pi / (width - 1))
    return (0.5 - 0.5 * phase.cos()).pow(POVEY_EXPONENT).float()


def mel_filters(sample_rate: int, fft_size: int, mel_bins: int) -> Float32[Tensor, "bands bins"]:
    """Return triangles in mel = 1127 ln(1 + f / 700), as a matrix from power bands to bins.

    Raises:
        ValueError: a filter would hold no band.
    """
    highest_hz = sample_rate / 2 - BELOW_NYQUIST_HZ
    edges = torch.linspace(_mel(LOWEST_HZ), _mel(highest_hz), mel_bins + 2, dtype=torch.float64)
    hz = torch.arange(fft_size // 2 + 1, dtype=torch.float64) * (sample_rate / fft_size)
    place = (1127.0 * torch.log1p(hz / 700.0)).unsqueeze(1)
    rising = (place - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - place) / (edges[2:] - edges[1:-1])
    filters = torch.minimum(rising, falling).clamp(min=0).float()
    if highest_hz <= LOWEST_HZ or not bool((filters.sum(dim=0) > 0).all()):
        raise ValueError(
            f"mel_bins = {mel_bins} are too many at {sample_rate} Hz: some filter lies between "
            f"two bands of the {fft_size}-point spectrum. Use fewer mel_bins (80 suit 16000 Hz)."
        )
    return filters


def _mel(hz: float) -> float:
    return 1127.0 * math.log1p(hz / 700.0)


def spec_augment(
    features: Float32[Tensor, "batch frames bins"],
    frame_lengths: Int[Tensor, " batch"],
    config: SpecAugmentConfig,
    seeds: Sequence[int],
) -> Float32[Tensor, "batch frames bins"]:
    """Set spans of time and of mel bins to zero (Park et al. 2019, arXiv 1904.08779).

    Each clip's spans follow from its own seed and length, not from its neighbours; time masks
    together cover at most `config.time_share` of a clip, however short.
    """
    _, frames, bins = features.shape
    times = np.zeros((len(seeds), frames), dtype=bool)
    mels = np.zeros((len(seeds), bins), dtype=bool)
    for row, (seed, length) in enumerate(zip(seeds, frame_lengths.tolist(), strict=True)):
        rng = generator(seed)
        if rng.random() >= config.probability:
            continue
        widest = min(config.time_width, int(config.time_share * length / max(config.time_masks, 1)))
        _mask_spans(times[row, :length], rng, config.time_masks, widest)
        _mask_spans(mels[row], rng, config.mel_masks, min(config.mel_width, bins // 3))
    hidden = torch.from_numpy(times).unsqueeze(2) | torch.from_numpy(mels).unsqueeze(1)
    return features.masked_fill(hidden.to(features.device), 0.0)


def _mask_spans(
    mask: Bool[np.ndarray, " places"], rng: np.random.Generator, count: int, widest: int
) -> None:
    for _ in range(count):
        width = int(rng.integers(widest + 1))
        start = int(rng.integers(len(mask) - width + 1))
        mask[start : start + width] = True
