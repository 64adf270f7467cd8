"""One Zipformer block, and stacks of blocks that run at a frame rate of their own.

arXiv 2310.11230, figure 2 and section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from earmark.pretrain.encoders.zipformer.modules import (
    AttentionWeights,
    BiasNorm,
    ConvolutionModule,
    FeedForward,
    NonlinearAttention,
    SelfAttention,
    relative_positions,
)
from earmark.pretrain.encoders.zipformer.schedule import DropRates, clip_mask


class _LimitValues(torch.autograd.Function):
    """The identity, whose gradient drives values outside of [least, 1] back into it."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, least: Tensor) -> Tensor:
        ctx.save_for_backward(values, least)
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        values, least = ctx.saved_tensors
        gradient = gradients[0]
        gradient = torch.where(values < least, -gradient.abs(), gradient)
        return torch.where(values > 1.0, gradient.abs(), gradient), None


class Bypass(nn.Module):
    """before + scale * (after - before), one scale a channel (section 3.1)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((dim,), 0.5))

    def forward(
        self,
        before: Float[Tensor, "batch frames dim"],
        after: Float[Tensor, "batch frames dim"],
        rates: DropRates | None,
        skip_rate: Tensor | None = None,
    ) -> Float[Tensor, "batch frames dim"]:
        """Return frames between both; a clip goes without `after` with probability `skip_rate`."""
        if rates is None:
            return torch.lerp(before, after, self.scale.to(before.dtype))
        scale = _LimitValues.apply(self.scale, rates.min_bypass)
        if skip_rate is not None:
            scale = scale * clip_mask(before, skip_rate)
        return torch.lerp(before, after, scale.to(before.dtype))


class ZipformerLayer(nn.Module):
    """Modules that each add to the frames; both halves may be bypassed; BiasNorm at the end.

    Args:
        dim: width of a frame.
        feed_forward_dim: width inside the second feed-forward; the first has 3/4 of it, the
            third 5/4.
        attention: who listens to whom.
        value_head_dim: width of a head's values.
        kernel: of the depthwise convolutions, frames; odd.
    """

    def __init__(
        self,
        dim: int,
        feed_forward_dim: int,
        attention: AttentionWeights,
        value_head_dim: int,
        kernel: int,
    ) -> None:
        super().__init__()
        self.attention_weights = attention
        self.feed_forward1 = FeedForward(dim, feed_forward_dim * 3 // 4)
        self.feed_forward2 = FeedForward(dim, feed_forward_dim)
        self.feed_forward3 = FeedForward(dim, feed_forward_dim * 5 // 4)
        self.nonlinear_attention = NonlinearAttention(dim, 3 * dim // 4)
        self.attention1 = SelfAttention(dim, attention.heads, value_head_dim)
        self.attention2 = SelfAttention(dim, attention.heads, value_head_dim)
        self.convolution1 = ConvolutionModule(dim, kernel)
        self.convolution2 = ConvolutionModule(dim, kernel)
        self.middle_bypass = Bypass(dim)
        self.bypass = Bypass(dim)
        self.norm = BiasNorm(dim)

    def forward(
        self,
        frames: Float[Tensor, "batch frames dim"],
        positions: Float[Tensor, "distances position_dim"],
        mask: Bool[Tensor, "batch frames"],
        rates: DropRates | None,
    ) -> Float[Tensor, "batch frames dim"]:
        """Return frames of the same shape; `mask` is True where they are real."""
        before = frames
        weights = self.attention_weights(frames, positions, mask)
        frames = self._first_half(frames, weights, mask, rates)
        frames = self.middle_bypass(before, frames, rates)
        frames = self._second_half(frames, weights, mask, rates)
        skip_rate = None if rates is None else rates.layer
        return self.bypass(before, self.norm(frames), rates, skip_rate)

    def _first_half(
        self,
        frames: Float[Tensor, "batch frames dim"],
        weights: Float[Tensor, "batch heads frames frames"],
        mask: Bool[Tensor, "batch frames"],
        rates: DropRates | None,
    ) -> Float[Tensor, "batch frames dim"]:
        frames = frames + self.feed_forward1(frames, rates)
        frames = frames + self.nonlinear_attention(frames, weights[:, 0], mask, rates)
        frames = frames + self.attention1(frames, weights, rates)
        frames = frames + self.convolution1(frames, mask, rates)
        return frames + self.feed_forward2(frames, rates)

    def _second_half(
        self,
        frames: Float[Tensor, "batch frames dim"],
        weights: Float[Tensor, "batch heads frames frames"],
        mask: Bool[Tensor, "batch frames"],
        rates: DropRates | None,
    ) -> Float[Tensor, "batch frames dim"]:
        frames = frames + self.attention2(frames, weights, rates)
        frames = frames + self.convolution2(frames, mask, rates)
        return frames + self.feed_forward3(frames, rates)


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


class LayerStack(nn.Module):
    """Layers at the full 50 Hz.

    Args:
        layers: in their order.
        position_dim: width of the relative positional encoding.
    """

    def __init__(self, layers: Sequence[ZipformerLayer], position_dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.position_dim = position_dim

    def forward(
        self,
        frames: Float[Tensor, "batch frames dim"],
        mask: Bool[Tensor, "batch frames"],
        rates: DropRates | None,
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


class DownsampledLayerStack(nn.Module):
    """Layers at a lower rate, between the frames that came in and as many that go out.

    Args:
        stack: what runs at the lower rate.
        factor: frames that become one.
        dim: width of a frame.
    """

    def __init__(self, stack: LayerStack, factor: int, dim: int) -> None:
        super().__init__()
        self.factor = factor
        self.downsample = Downsample(factor)
        self.stack = stack
        self.combine = Bypass(dim)

    def forward(
        self,
        frames: Float[Tensor, "batch frames dim"],
        mask: Bool[Tensor, "batch frames"],
        rates: DropRates | None,
        *,
        recompute: bool = False,
    ) -> Float[Tensor, "batch frames dim"]:
        """Return frames of the same shape; a low-rate frame is real if its first one is."""
        slow = self.stack(
            self.downsample(frames), mask[:, :: self.factor], rates, recompute=recompute
        )
        return self.combine(frames, slow.repeat_interleave(self.factor, dim=1), rates)
