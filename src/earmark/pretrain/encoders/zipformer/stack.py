"""Layers that run at a frame rate of their own (arXiv 2310.11230, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from earmark.pretrain.encoders.zipformer.layers import Bypass, Layer
from earmark.pretrain.encoders.zipformer.modules import relative_positions
from earmark.pretrain.encoders.zipformer.schedule import Rates


class Downsample(nn.Module):
    """Several frames become one: their mean under learnt weights, the softmax of `logits`."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(factor))

    def forward(
        self, frames: Float[Tensor, "batch frames dim"]
    ) -> Float[Tensor, "batch fewer dim"]:
        """Return frames at the lower rate; the factor divides their number."""
        windows = frames.unflatten(1, (-1, len(self.logits)))
        weights = self.logits.softmax(dim=0).to(frames.dtype)
        return (windows * weights.unsqueeze(1)).sum(dim=2)


class Stack(nn.Module):
    """Layers at the full 50 Hz.

    Args:
        layers: in their order.
        position_dim: width of the relative positional encoding.
    """

    def __init__(self, layers: Sequence[Layer], position_dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.position_dim = position_dim

    def forward(
        self,
        frames: Float[Tensor, "batch frames dim"],
        mask: Bool[Tensor, "batch frames"],
        rates: Rates | None,
        *,
        recompute: bool = False,
    ) -> Float[Tensor, "batch frames dim"]:
        """Return frames of the same shape; `recompute` keeps only layers' inputs in training."""
        positions = relative_positions(frames.shape[1], self.position_dim, frames)
        for layer in self.layers:
            if recompute:
                frames = checkpoint(layer, frames, positions, mask, rates, use_reentrant=False)
            else:
                frames = layer(frames, positions, mask, rates)
        return frames


class DownsampledStack(nn.Module):
    """Layers at a lower rate, between the frames that came in and as many that go out.

    Args:
        stack: what runs at the lower rate.
        factor: frames that become one.
        dim: width of a frame.
    """

    def __init__(self, stack: Stack, factor: int, dim: int) -> None:
        super().__init__()
        self.factor = factor
        self.downsample = Downsample(factor)
        self.stack = stack
        self.combine = Bypass(dim)

    def forward(
        self,
        frames: Float[Tensor, "batch frames dim"],
        mask: Bool[Tensor, "batch frames"],
        rates: Rates | None,
        *,
        recompute: bool = False,
    ) -> Float[Tensor, "batch frames dim"]:
        """Return frames of the same shape; a low-rate frame is real if its first one is."""
        slow = self.stack(
            self.downsample(frames), mask[:, :: self.factor], rates, recompute=recompute
        )
        return self.combine(frames, slow.repeat_interleave(self.factor, dim=1), rates)
