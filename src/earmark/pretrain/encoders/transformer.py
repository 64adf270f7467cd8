"""A plain pre-norm transformer on log-mel frames.

Before its blocks stands one of two fronts: strided convolutions that turn log-mel at 100 Hz into
frames at 6.25 Hz, which is what makes it cheap; or patches of 16 frames by 16 bins, each a token,
as in AST (Gong et al. 2021, arXiv 2104.01778), here without overlap. A depthwise convolution over
time tells tokens their place relative to their neighbours (Chu et al. 2021, arXiv 2102.10882): it
knows no longest length, so a minute is as good as a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from earmark.pretrain.encoders.base import Encoded, Encoder
from earmark.pretrain.encoders.config import PATCH_SIZE, TransformerConfig
from earmark.pretrain.encoders.log_mel import FRAME_RATE_HZ, LogMel, length_mask, normalize_log_mel

FEED_FORWARD_FACTOR = 4
POSITION_KERNEL = 15


class Transformer(Encoder):
    """Log-mel, a front of convolutions or patches, transformer blocks.

    A front gives `bands` tokens for each frame; after the blocks, their mean is the frame.

    Raises:
        ValueError: `mel_bins` are too many for the sample rate.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        dim, layers, heads = config.shape
        self.sample_rate = config.sample_rate
        self.dim = dim
        self.spectrogram = LogMel(config.sample_rate, config.mel_bins)
        if config.front == "patch":
            self.stem = PatchStem(config.mel_bins, dim)
        else:
            self.stem = ConvolutionalStem(config.mel_bins, config.stem_channels, dim)
        self.frame_rate = FRAME_RATE_HZ / self.stem.stride
        self.position = nn.Conv1d(
            dim, dim, POSITION_KERNEL, padding=POSITION_KERNEL // 2, groups=dim
        )
        self.blocks = nn.ModuleList(
            TransformerBlock(dim, heads, config.dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)

    def features(
        self, wave: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch frames bins"], Int[Tensor, " batch"]]:
        """Return log-mel frames."""
        return self.spectrogram(wave, lengths)

    def forward_features(
        self, features: Float[Tensor, "batch frames bins"], lengths: Int[Tensor, " batch"]
    ) -> Encoded:
        """Encode log-mel frames; `lengths` are the real frames of each row, at least one."""
        scaled = normalize_log_mel(features, length_mask(lengths, features.shape[1]))
        bands, counts = self.stem(scaled, lengths)
        mask = length_mask(counts, bands.shape[2])
        tokens = self._placed(bands.masked_fill(~mask[:, None, :, None], 0.0))
        token_mask = mask.repeat(1, bands.shape[1])
        again = self.checkpoint_activations and self.training
        for block in self.blocks:
            tokens = (
                checkpoint(block, tokens, token_mask, use_reentrant=False)
                if again
                else block(tokens, token_mask)
            )
        return Encoded(self.norm(tokens).unflatten(1, (bands.shape[1], -1)).mean(dim=1), mask)

    def _placed(
        self, bands: Float[Tensor, "batch bands frames dim"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Tell each band's frames their place in time, and put the bands behind each other."""
        rows = bands.flatten(0, 1).transpose(1, 2)
        placed = bands + self.position(rows).transpose(1, 2).view_as(bands)
        return placed.flatten(1, 2)


class PatchStem(nn.Module):
    """Non-overlapping patches of 16 frames by 16 bins, each one token, with its band's embedding.

    Frames behind a clip's end are zero in its last patch.

    Args:
        mel_bins: of the input, a multiple of 16.
        dim: width of a token.
    """

    stride = PATCH_SIZE

    def __init__(self, mel_bins: int, dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(PATCH_SIZE * PATCH_SIZE, dim)
        self.band = nn.Parameter(0.02 * torch.randn(mel_bins // PATCH_SIZE, 1, dim))
        self.norm = nn.LayerNorm(dim)

    def forward(
        self, features: Float[Tensor, "batch frames bins"], counts: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch bands fewer dim"], Int[Tensor, " batch"]]:
        """Return the tokens of each band, and how many of each row are real."""
        missing = (PATCH_SIZE - features.shape[1] % PATCH_SIZE) % PATCH_SIZE
        whole = functional.pad(features, (0, 0, 0, missing))
        patches = whole.unflatten(1, (-1, PATCH_SIZE)).unflatten(3, (-1, PATCH_SIZE))
        tokens = self.project(patches.permute(0, 3, 1, 2, 4).flatten(3))
        return self.norm(tokens + self.band), _ceil_divide(counts, PATCH_SIZE)


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
        self.stride = 2 ** len(channels)
        bins = -(-mel_bins // 2 ** len(channels))
        self.project = nn.Linear(channels[-1] * bins, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(
        self, features: Float[Tensor, "batch frames bins"], counts: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch 1 fewer dim"], Int[Tensor, " batch"]]:
        """Return frames at a lower rate, all of one band, and how many of each row are real."""
        planes = features.unsqueeze(1)
        for convolution in self.convolutions:
            planes = functional.gelu(convolution(planes))
            counts = _ceil_divide(counts, 2)
            mask = length_mask(counts, planes.shape[2])
            planes = planes.masked_fill(~mask[:, None, :, None], 0.0)
        frames = self.norm(self.project(planes.transpose(1, 2).flatten(2)))
        return frames.unsqueeze(1), counts


class TransformerBlock(nn.Module):
    """Self-attention and feed-forward, each normalized before and added to what came in.

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


def _ceil_divide(counts: Int[Tensor, " batch"], divisor: int) -> Int[Tensor, " batch"]:
    return torch.div(counts + divisor - 1, divisor, rounding_mode="floor")
