"""Log-mel at 100 Hz to frames at 50 Hz (arXiv 2310.11230, section 3.1: Conv-Embed).

A clip's last frames are treated by one rule that depends on the clip alone, so that padding
changes nothing. The slow stacks join frames in windows (of 8, in all published sizes). A clip
whose frames fill its last window ends there: beyond it a convolution sees zeros. Any other is
continued by digital silence to the end of that window and as far as a convolution sees. This is
what the authors' implementation computes for the longest clip of a batch and for the others.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from earmark.pretrain.encoders.log_mel import length_mask
from earmark.pretrain.encoders.zipformer.modules import (
    SWOOSH_L_SHIFT,
    SWOOSH_R_SHIFT,
    BiasNorm,
    scaled_linear,
    swoosh_l,
    swoosh_r,
)

SILENCE_LOG_MEL = float(np.float32(math.log(1e-10)))
"""Log-mel of digital silence, as the authors pad their batches."""

CONTEXT_FRAMES = 9
"""Log-mel frames that make one frame; a frame more needs two more."""

KERNEL_REACH = 3
"""Frames that the 7 x 7 convolution sees to either side."""


def stem_frame_counts(lengths: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """Return the 50 Hz frames of clips of so many log-mel frames: at least one."""
    return torch.div(lengths - 7, 2, rounding_mode="floor").clamp(min=1)


class Stem(nn.Module):
    """Three convolutions without padding in time, a ConvNeXt block, a linear layer, BiasNorm.

    It computes in the dtype of its weights whatever autocast says: log-mel is far from zero
    (silence is -23), where bfloat16 tells apart no steps finer than 0.06.

    Args:
        mel_bins: of the input.
        channels: of the three convolutions.
        dim: width of a frame.
        window: frames that later stages join; see above.
    """

    def __init__(
        self, mel_bins: int, channels: tuple[int, int, int], dim: int, window: int
    ) -> None:
        super().__init__()
        self.window = window
        self.first = nn.Conv2d(1, channels[0], 3, padding=(0, 1))
        self.second = nn.Conv2d(channels[0], channels[1], 3, stride=2)
        self.third = nn.Conv2d(channels[1], channels[2], 3, stride=(1, 2))
        self.block = ConvNeXt(channels[2])
        self.bins = ((mel_bins - 1) // 2 - 1) // 2
        self.project = nn.Linear(channels[2] * self.bins, dim)
        self.norm = BiasNorm(dim)

    def forward(
        self, features: Float[Tensor, "batch steps bins"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch frames dim"], Int[Tensor, " batch"]]:
        """Return frames, their number a multiple of the window, and how many of each row are real.

        What lies behind `lengths` may be anything; frames behind the real ones may be too.
        """
        steps = features.shape[1]
        given = max((steps - 7) // 2, 1)
        total = -(-given // self.window) * self.window
        behind = ~length_mask(lengths, steps)
        features = features.masked_fill(behind.unsqueeze(-1), SILENCE_LOG_MEL)
        missing = 2 * (total + KERNEL_REACH) + CONTEXT_FRAMES - 2 - steps
        features = functional.pad(features, (0, 0, 0, missing), value=SILENCE_LOG_MEL)
        counts = stem_frame_counts(lengths)
        with torch.autocast(features.device.type, enabled=False):
            planes = features.to(self.project.weight.dtype).unsqueeze(1)
            frames = self._convolved(planes, self._ends(counts, given))
            frames = frames[:, :total].reshape(frames.shape[0], total, -1)
            frames = self.norm(functional.linear(frames, self._by_bin(), self.project.bias))
        return frames, counts

    def _ends(self, counts: Int[Tensor, " batch"], given: int) -> Int[Tensor, " batch"]:
        """Return where each clip ends for the ConvNeXt block: see the top of this file."""
        windows = torch.div(counts + self.window - 1, self.window, rounding_mode="floor")
        silence = (windows * self.window + KERNEL_REACH).clamp(min=given)
        return torch.where(counts == windows * self.window, counts, silence)

    def _convolved(
        self, planes: Float[Tensor, "batch 1 steps bins"], ends: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch frames fewer channels"]:
        planes = planes.contiguous(memory_format=torch.channels_last)
        for convolution in (self.first, self.second, self.third):
            assert convolution.bias is not None
            shifted = functional.conv2d(
                planes,
                convolution.weight,
                convolution.bias - SWOOSH_R_SHIFT,
                convolution.stride,
                convolution.padding,
            )
            planes = swoosh_r(shifted)
        planes = planes.permute(0, 2, 3, 1)
        mask = length_mask(ends, planes.shape[1])
        return self.block(planes, mask[:, :, None, None])

    def _by_bin(self) -> Float[Tensor, "dim features"]:
        """Return the weights of a linear layer that reads bins of channels, not the reverse."""
        weights = self.project.weight.unflatten(1, (-1, self.bins))
        return weights.transpose(1, 2).flatten(1)


class ConvNeXt(nn.Module):
    """A 7 x 7 depthwise convolution and a two-layer perceptron, added to what came in.

    (Liu et al. 2022, arXiv 2201.03545, with SwooshL and without its norm.)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels, channels, 2 * KERNEL_REACH + 1, padding=KERNEL_REACH, groups=channels
        )
        self.expand = nn.Linear(channels, 3 * channels)
        self.contract = scaled_linear(3 * channels, channels, 0.01)

    def forward(
        self, planes: Float[Tensor, "batch frames bins channels"], mask: Tensor
    ) -> Float[Tensor, "batch frames bins channels"]:
        """Return planes of the same shape; the convolution sees zeros where `mask` is False."""
        seen = planes.masked_fill(~mask, 0.0).permute(0, 3, 1, 2)
        mixed = self.depthwise(seen).permute(0, 2, 3, 1)
        shifted = functional.linear(mixed, self.expand.weight, self.expand.bias - SWOOSH_L_SHIFT)
        return planes + self.contract(swoosh_l(shifted))
