"""A plain pre-norm transformer on log-mel frames.

Four strided convolutions turn log-mel at 100 Hz into frames at 6.25 Hz, which is what makes it
cheap. A depthwise convolution over time tells frames their place relative to their neighbours
(Chu et al. 2021, arXiv 2102.10882): it knows no longest length, so a minute is as good as a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from earmark.pretrain.config import TransformerConfig
from earmark.pretrain.encoders.base import Augment, Encoded, Encoder
from earmark.pretrain.features import FRAME_RATE, LogMel, length_mask, normalised, spec_augment

FEED_FORWARD_FACTOR = 4
POSITION_KERNEL = 15


class Transformer(Encoder):
    """Log-mel, convolutional stem, transformer blocks.

    Raises:
        ValueError: `mel_bins` are too many for the sample rate.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.sample_rate = config.sample_rate
        self.dim = config.dim
        self.frame_rate = FRAME_RATE / 2 ** len(config.stem_channels)
        self.spectrogram = LogMel(config.sample_rate, config.mel_bins)
        self.stem = ConvolutionalStem(config.mel_bins, config.stem_channels, config.dim)
        self.position = nn.Conv1d(
            config.dim,
            config.dim,
            POSITION_KERNEL,
            padding=POSITION_KERNEL // 2,
            groups=config.dim,
        )
        self.blocks = nn.ModuleList(
            Block(config.dim, config.heads, config.dropout) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.dim)

    def forward(
        self,
        wave: Float[Tensor, "batch samples"],
        lengths: Int[Tensor, " batch"],
        augment: Augment | None = None,
    ) -> Encoded:
        """Encode waves in [-1, 1]; `lengths` are the real samples of each row, at least one."""
        log_mel, counts = self.spectrogram(wave, lengths)
        features = normalised(log_mel, length_mask(counts, log_mel.shape[1]))
        if augment is not None:
            features = spec_augment(features, counts, augment.config, augment.seeds)
        frames, counts = self.stem(features, counts)
        mask = length_mask(counts, frames.shape[1])
        frames = frames.masked_fill(~mask.unsqueeze(-1), 0.0)
        frames = frames + self.position(frames.transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            frames = block(frames, mask)
        return Encoded(self.norm(frames), mask)


class ConvolutionalStem(nn.Module):
    """Convolutions of stride 2 over time and mel, each halving both, then one linear layer.

    What lies behind a clip's end is zero before every convolution, as if the clip ended there.

    Args:
        mel_bins: of the input.
        channels: of each convolution.
        dim: width of a frame.
    """

    def __init__(self, mel_bins: int, channels: Sequence[int], dim: int) -> None:
        super().__init__()
        before = [1, *channels[:-1]]
        convolutions = [
            nn.Conv2d(entering, leaving, 3, stride=2, padding=1)
            for entering, leaving in zip(before, channels, strict=True)
        ]
        for convolution in convolutions:
            # Torch's default would halve the signal in each layer, and biases would drown it.
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            if convolution.bias is not None:
                nn.init.zeros_(convolution.bias)
        self.convolutions = nn.ModuleList(convolutions)
        bins = -(-mel_bins // 2 ** len(channels))
        self.project = nn.Linear(channels[-1] * bins, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(
        self, features: Float[Tensor, "batch frames bins"], counts: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch fewer dim"], Int[Tensor, " batch"]]:
        """Return frames at a lower rate, and how many of each row are real."""
        planes = features.unsqueeze(1)
        for convolution in self.convolutions:
            planes = functional.gelu(convolution(planes))
            counts = torch.div(counts + 1, 2, rounding_mode="floor")
            mask = length_mask(counts, planes.shape[2])
            planes = planes.masked_fill(~mask[:, None, :, None], 0.0)
        return self.norm(self.project(planes.transpose(1, 2).flatten(2))), counts


class Block(nn.Module):
    """Self-attention and feed-forward, each normalised before and added to what came in.

    Both start out adding nothing (Bachlechner et al. 2020, arXiv 2003.04887): training begins from
    a linear model of the stem's frames, which matters when it lasts only some hundred steps.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(dim)
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.attention_out = nn.Linear(dim, dim)
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.feed_forward_in = nn.Linear(dim, FEED_FORWARD_FACTOR * dim)
        self.feed_forward_out = nn.Linear(FEED_FORWARD_FACTOR * dim, dim)
        self.dropout = nn.Dropout(dropout)
        for entering in (self.query_key_value, self.feed_forward_in):
            nn.init.xavier_uniform_(entering.weight)
            nn.init.zeros_(entering.bias)
        for leaving in (self.attention_out, self.feed_forward_out):
            nn.init.zeros_(leaving.weight)
            nn.init.zeros_(leaving.bias)

    def forward(
        self, frames: Float[Tensor, "batch frames dim"], mask: Bool[Tensor, "batch frames"]
    ) -> Float[Tensor, "batch frames dim"]:
        """Return frames of the same shape; frames where `mask` is False are not attended to."""
        frames = frames + self.dropout(self._attend(self.attention_norm(frames), mask))
        inner = functional.gelu(self.feed_forward_in(self.feed_forward_norm(frames)))
        return frames + self.dropout(self.feed_forward_out(inner))

    def _attend(
        self, frames: Float[Tensor, "batch frames dim"], mask: Bool[Tensor, "batch frames"]
    ) -> Float[Tensor, "batch frames dim"]:
        batch, count, dim = frames.shape
        split = self.query_key_value(frames).view(batch, count, 3, self.heads, dim // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask[:, None, None, :]
        )
        return self.attention_out(attended.transpose(1, 2).reshape(batch, count, dim))
