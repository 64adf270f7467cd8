"""Kaldi's log-mel spectrogram, in torch, on a batch, on its device.

Frames of 25 ms every 10 ms; for each frame the mean is removed, pre-emphasis applied, a povey
window multiplied and the power spectrum summed by triangular mel filters. This is the feature that
Kaldi's `compute-fbank-feats` and the authors' recipes use (PAPER section 3), with `snip_edges`
false, no dither, and samples in [-1, 1]. A clip's frames depend on its real samples alone.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor, nn

from earmark.pretrain.encoders.config import MEL_BELOW_NYQUIST_HZ, MEL_LOW_HZ, hz_to_mel

FRAME_RATE_HZ = 100.0
"""Log-mel frames a second."""

PRE_EMPHASIS = 0.97
POVEY_EXPONENT = 0.85
POWER_FLOOR = float(np.finfo(np.float32).eps)

BINS_PER_GROUP = 16
"""Neighbouring mel filters that are multiplied together; the width of a vector register."""

FRAMES_PER_CPU_BLOCK = 1000
"""Frames whose spectra (4 MB) a CPU works on at a time."""

LOG_MEL_MEAN = -6.5
LOG_MEL_STD = 5.4
"""Of log-mel values over recordings of speech, instruments and environmental sound."""


class LogMel(nn.Module):
    """Waves in [-1, 1] to natural-log mel energies, float32 whatever autocast says.

    Nothing is read back from the device: how many frames come out follows from the width of the
    batch. Gradients do not reach the waves.

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
        filters = kaldi_mel_filters(sample_rate, self.fft_size, mel_bins)
        self.register_buffer("window", povey_window(self.width), persistent=False)
        self.register_buffer("filters", filters, persistent=False)
        self._groups = _filter_groups(filters)

    def frame_lengths(self, lengths: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """Return the frames of clips of so many samples: one every 10 ms, at least one."""
        frames = torch.div(lengths + self.shift // 2, self.shift, rounding_mode="floor")
        return frames.clamp(min=1)

    def forward(
        self, wave: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float32[Tensor, "batch frames bins"], Int[Tensor, " batch"]]:
        """Return log-mel frames and how many of each row are real; the others hold anything."""
        count = max((wave.shape[1] + self.shift // 2) // self.shift, 1)
        with torch.autocast(wave.device.type, enabled=False), torch.no_grad():
            mirrored = self._mirrored(wave.float(), lengths)
            frames = mirrored.unfold(1, self.width, self.shift)[:, :count]
            # On a CPU what lies between two operations had better stay in its cache.
            rows = max(FRAMES_PER_CPU_BLOCK // count, 1) if wave.device.type == "cpu" else len(wave)
            log_mel = torch.cat([self._log_mel(part) for part in frames.split(rows)])
        return log_mel, self.frame_lengths(lengths)

    def _mirrored(
        self, wave: Float32[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> Float32[Tensor, "batch longer"]:
        """Continue each clip at both ends by its mirror image, so that frames are centred.

        Clips that are shorter than what they are continued by are mirrored over and over.
        """
        left, end = (self.width - self.shift) // 2, lengths.unsqueeze(1)
        places = torch.arange(-left, self.width, device=wave.device)
        outside = torch.where(places < 0, places, places + end)
        inside = torch.remainder(outside, 2 * end)
        inside = torch.minimum(inside, 2 * end - 1 - inside)
        longer = nn.functional.pad(wave, (left, self.width))
        return longer.scatter_(1, outside + left, wave.gather(1, inside))

    def _log_mel(
        self, frames: Float32[Tensor, "batch frames width"]
    ) -> Float32[Tensor, "batch frames bins"]:
        centred = frames - frames.mean(dim=-1, keepdim=True)
        # The window begins with zero. So nothing precedes the samples that count but their own
        # frame, and they may begin the transform: a power spectrum knows no delay.
        shaped = frames.new_zeros(*frames.shape[:2], self.fft_size)
        used = shaped[..., : self.width - 1]
        torch.sub(centred[..., 1:], centred[..., :-1], alpha=PRE_EMPHASIS, out=used)
        used.mul_(self.window[1:])
        spectrum = torch.fft.rfft(shaped)
        power = spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)
        energies = [power[..., bands] @ self.filters[bands, bins] for bands, bins in self._groups]
        return torch.cat(energies, dim=-1).clamp_(min=POWER_FLOOR).log_()


def _filter_groups(filters: Float32[Tensor, "bands bins"]) -> list[tuple[slice, slice]]:
    """Return (bands, bins) of neighbouring filters; outside of `bands` they are zero.

    Most of a filter matrix is zeros; in such parts it is multiplied in a third of the time.
    """
    groups: list[tuple[slice, slice]] = []
    for first in range(0, filters.shape[1], BINS_PER_GROUP):
        bins = slice(first, min(first + BINS_PER_GROUP, filters.shape[1]))
        held = filters[:, bins].sum(dim=1).nonzero()
        groups.append((slice(int(held.min()), int(held.max()) + 1), bins))
    return groups


def normalize_log_mel(
    log_mel: Float32[Tensor, "batch frames bins"], mask: Bool[Tensor, "batch frames"]
) -> Float32[Tensor, "batch frames bins"]:
    """Scale log-mel to about zero mean and unit deviation by constants; padding becomes zero."""
    scaled = (log_mel - LOG_MEL_MEAN) / LOG_MEL_STD
    return scaled.masked_fill(~mask.unsqueeze(-1), 0.0)


def length_mask(lengths: Int[Tensor, " batch"], size: int) -> Bool[Tensor, "batch size"]:
    """Return True at positions below each row's length."""
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)


def povey_window(width: int) -> Float32[Tensor, " width"]:
    """Return Kaldi's povey window: a Hann window to the power 0.85."""
    phase = torch.arange(width, dtype=torch.float64) * (2 * math.pi / (width - 1))
    return (0.5 - 0.5 * phase.cos()).pow(POVEY_EXPONENT).float()


def kaldi_mel_filters(
    sample_rate: int, fft_size: int, mel_bins: int
) -> Float32[Tensor, "bands bins"]:
    """Return triangles in mel = 1127 ln(1 + f / 700), as a matrix from power bands to bins.

    Raises:
        ValueError: a filter would hold no band.
    """
    highest_hz = sample_rate / 2 - MEL_BELOW_NYQUIST_HZ
    edges = torch.linspace(
        hz_to_mel(MEL_LOW_HZ), hz_to_mel(highest_hz), mel_bins + 2, dtype=torch.float64
    )
    hz = torch.arange(fft_size // 2 + 1, dtype=torch.float64) * (sample_rate / fft_size)
    place = (1127.0 * torch.log1p(hz / 700.0)).unsqueeze(1)
    rising = (place - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - place) / (edges[2:] - edges[1:-1])
    filters = torch.minimum(rising, falling).clamp(min=0).float()
    if highest_hz <= MEL_LOW_HZ or not bool((filters.sum(dim=0) > 0).all()):
        raise ValueError(
            f"mel_bins = {mel_bins} are too many at {sample_rate} Hz: some filter lies between "
            f"two bands of the {fft_size}-point spectrum. Use fewer mel_bins (80 suit 16000 Hz)."
        )
    return filters
