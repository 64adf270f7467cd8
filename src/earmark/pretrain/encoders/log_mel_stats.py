"""Pooled log-mel statistics as an encoder: the baseline that a trained encoder has to beat."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from earmark.pretrain.encoders.base import Encoded, Encoder
from earmark.pretrain.encoders.log_mel import LogMel, length_mask


class LogMelStatistics(Encoder):
    """One frame a clip: the mean and the standard deviation over time of each log-mel bin.

    Args:
        sample_rate: what it listens to, Hz.
        mel_bins: log-mel channels; `dim` is twice that.
    """

    def __init__(self, sample_rate: int = 16000, mel_bins: int = 80) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.dim = 2 * mel_bins
        self.frame_rate = 0.0
        self.log_mel = LogMel(sample_rate, mel_bins)

    def features(
        self, wave: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch frames bins"], Int[Tensor, " batch"]]:
        """Return log-mel frames."""
        return self.log_mel(wave, lengths)

    def forward_features(
        self, features: Float[Tensor, "batch frames bins"], lengths: Int[Tensor, " batch"]
    ) -> Encoded:
        """Return one frame a clip."""
        weights = length_mask(lengths, features.shape[1]).unsqueeze(-1).float()
        count = lengths.view(-1, 1, 1).float()
        mean = (features * weights).sum(dim=1, keepdim=True) / count
        variance = ((features - mean).square() * weights).sum(dim=1, keepdim=True) / count
        frames = torch.cat([mean, variance.sqrt()], dim=-1)
        return Encoded(frames, torch.ones_like(frames[..., 0], dtype=torch.bool))
