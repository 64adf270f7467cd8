"""The modules of a Zipformer block: attention, feed-forward, convolution and what they are made
of.

SwooshL, SwooshR and BiasNorm follow arXiv 2310.11230, sections 3.3 and 3.4. Attention weights are
computed once a layer and used three times. A score is query . key + positional query . encoding of
the distance between both frames; the encoding is finest near zero and has no longest length
(section 3.2). Linear layers that add to a frame start out small.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from earmark.pretrain.encoders.zipformer.schedule import DropRates, channel_mask, clip_mask


def scaled_linear(dim_in: int, dim_out: int, scale: float, *, bias: bool = True) -> nn.Linear:
    """Return a linear layer whose weights start at `scale` times the usual, its biases near zero.

    What is added to a frame by a layer's modules is small at first, so that deep stacks start
    near the identity.
    """
    linear = nn.Linear(dim_in, dim_out, bias=bias)
    with torch.no_grad():
        linear.weight.mul_(scale)
        if bias:
            nn.init.uniform_(linear.bias, -0.1 * scale, 0.1 * scale)
    return linear


SWOOSH_SLOPE = 0.08

SWOOSH_L_SHIFT, SWOOSH_L_OFFSET = 4.0, 0.035

SWOOSH_R_SHIFT, SWOOSH_R_OFFSET = 1.0, 0.313261687


class _Swoosh(torch.autograd.Function):
    """(ln(1 + e^s) - 0.08 s - constant) * kept, keeping nothing but its inputs for the gradient.

    Above 40, ln(1 + e^s) is s to float64's precision. Numbers are written out, since compilers of
    dynamic sizes make inputs of a module's floats, and cannot hand those into a Function.
    """

    @staticmethod
    def forward(ctx: Any, shifted: Tensor, constant: float, kept: Tensor | None) -> Tensor:
        ctx.save_for_backward(shifted, kept)
        curve = functional.softplus(shifted, 1.0, 40.0)
        curve.sub_(shifted, alpha=0.08).sub_(constant)
        return curve if kept is None else curve.mul_(kept)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        shifted, kept = ctx.saved_tensors
        # One pass for sigmoid(shifted) * gradient.
        steep = torch.ops.aten.softplus_backward(gradients[0], shifted, 1.0, 40.0)
        steep.sub_(gradients[0], alpha=0.08)
        return steep if kept is None else steep.mul_(kept), None, None


def swoosh_l(
    shifted: Float[Tensor, "*shape"], kept: Tensor | None = None
) -> Float[Tensor, "*shape"]:
    """Return ln(1 + e^(x - 4)) - 0.08 x - 0.035, for what is normally off.

    Args:
        shifted: x - `SWOOSH_L_SHIFT`; whoever computes x takes it off a bias, which costs nothing.
        kept: what the result is multiplied by.
    """
    return _Swoosh.apply(shifted, SWOOSH_SLOPE * SWOOSH_L_SHIFT + SWOOSH_L_OFFSET, kept)


def swoosh_r(
    shifted: Float[Tensor, "*shape"], kept: Tensor | None = None
) -> Float[Tensor, "*shape"]:
    """Return ln(1 + e^(x - 1)) - 0.08 x - 0.313261687, which is 0 at 0.

    Args:
        shifted: x - `SWOOSH_R_SHIFT`; whoever computes x takes it off a bias, which costs nothing.
        kept: what the result is multiplied by.
    """
    return _Swoosh.apply(shifted, SWOOSH_SLOPE * SWOOSH_R_SHIFT + SWOOSH_R_OFFSET, kept)


class BiasNorm(nn.Module):
    """x / RMS(x - bias) * e^log_scale: unlike LayerNorm it keeps some of a frame's length."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(dim))
        self.log_scale = nn.Parameter(torch.ones(()))

    def forward(self, frames: Float[Tensor, "*shape dim"]) -> Float[Tensor, "*shape dim"]:
        """Return frames scaled, each by one number."""
        power = (frames - self.bias).square().mean(dim=-1, keepdim=True)
        return frames * (power.rsqrt() * self.log_scale.exp()).to(frames.dtype)


def relative_positions(
    count: int, dim: int, like: Float[Tensor, ...]
) -> Float[Tensor, "distances dim"]:
    """Return an encoding of the distances -count to count - 1, frames.

    Distances are compressed, c = sqrt(dim) sign(d) (ln(|d| + sqrt(dim)) - ln sqrt(dim)), wound
    onto an arc, atan(2 pi c / dim), and read off by cosines and sines in turn; the last channel
    is one.
    """
    distances = torch.arange(-count, count, device=like.device).to(torch.float32)
    scale = math.sqrt(dim)
    compressed = scale * distances.sign() * (torch.log(distances.abs() + scale) - math.log(scale))
    arc = torch.atan(compressed * (2.0 * math.pi / dim)).unsqueeze(1)
    angles = arc * torch.arange(1, dim // 2 + 1, device=like.device)
    waves = torch.stack([angles.cos(), angles.sin()], dim=-1).flatten(1)
    one = torch.ones_like(waves[:, :1])
    return torch.cat([waves[:, :-1], one], dim=1).to(like.dtype)


class AttentionWeights(nn.Module):
    """Who listens to whom: weights that sum to one over the real frames.

    Args:
        dim: width of a frame.
        heads: sets of weights.
        query_head_dim: width of a head's queries and keys.
        position_head_dim: width of a head's positional queries.
        position_dim: width of the relative positional encoding.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        query_head_dim: int,
        position_head_dim: int,
        position_dim: int,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.query_width = heads * query_head_dim
        self.position_width = heads * position_head_dim
        total = 2 * self.query_width + self.position_width
        self.project = scaled_linear(dim, total, query_head_dim**-0.25)
        self.project_position = scaled_linear(position_dim, self.position_width, 0.05, bias=False)

    def forward(
        self,
        frames: Float[Tensor, "batch frames dim"],
        positions: Float[Tensor, "distances position_dim"],
        mask: Bool[Tensor, "batch frames"],
    ) -> Float[Tensor, "batch heads frames frames"]:
        """Return the weights of [query, key]; frames where `mask` is False get none."""
        widths = (self.query_width, self.query_width, self.position_width)
        parts = self.project(frames).split(widths, dim=-1)
        query, key, where = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        distances = self.project_position(positions).unflatten(-1, (self.heads, -1))
        by_distance = where @ distances.permute(1, 2, 0)
        # One pass adds the mask and lines the distances up.
        nobody = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, -math.inf)
        scores = _RelativeShift.apply(by_distance) + nobody[:, None, None, :]
        scores.flatten(0, 1).baddbmm_(query.flatten(0, 1), key.transpose(2, 3).flatten(0, 1))
        # Exponentials and their sum are taken in float32 at least, also under autocast.
        wide = torch.promote_types(scores.dtype, torch.float32)
        return scores.softmax(dim=-1, dtype=wide).to(scores.dtype)


class _RelativeShift(torch.autograd.Function):
    """`shifted`, whose gradient is laid out in one pass instead of one a slice."""

    @staticmethod
    def forward(ctx: Any, by_distance: Tensor) -> Tensor:
        return relative_shift(by_distance).view_as(relative_shift(by_distance))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        by_distance = gradients[0].new_zeros(*gradients[0].shape[:3], 2 * gradients[0].shape[3])
        relative_shift(by_distance).copy_(gradients[0])
        return by_distance


def relative_shift(
    by_distance: Float[Tensor, "batch heads frames distances"],
) -> Float[Tensor, "batch heads frames frames"]:
    """Turn [query, frames + distance] into [query, key], distance being key - query; a view."""
    count = by_distance.shape[2]
    # Behind the first `frames` entries, rows one shorter start one distance earlier each.
    rows = by_distance.flatten(2)[..., count:].unflatten(2, (count, 2 * count - 1))
    return rows[..., :count]


class SelfAttention(nn.Module):
    """Values, weighted by what `AttentionWeights` gave, and projected back."""

    def __init__(self, dim: int, heads: int, value_head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.project_in = nn.Linear(dim, heads * value_head_dim)
        self.project_out = scaled_linear(heads * value_head_dim, dim, 0.05)

    def forward(
        self,
        frames: Float[Tensor, "batch frames dim"],
        weights: Float[Tensor, "batch heads frames frames"],
        rates: DropRates | None,
    ) -> Float[Tensor, "batch frames dim"]:
        """Return what is to be added to the frames."""
        values = self.project_in(frames).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        heard = (weights @ values).transpose(1, 2).flatten(2)
        if rates is not None:
            heard = heard * clip_mask(frames, rates.attention)
        return self.project_out(heard)


class NonlinearAttention(nn.Module):
    """tanh(a) * b, weighted by one head's attention, times c: attention that multiplies."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.project_in = nn.Linear(dim, 3 * hidden_dim)
        self.project_out = scaled_linear(hidden_dim, dim, 0.05)

    def forward(
        self,
        frames: Float[Tensor, "batch frames dim"],
        weights: Float[Tensor, "batch frames frames"],
        mask: Bool[Tensor, "batch frames"],
        rates: DropRates | None,
    ) -> Float[Tensor, "batch frames dim"]:
        """Return what is to be added to the frames."""
        gate, values, factor = self.project_in(frames).chunk(3, dim=-1)
        values = gate.tanh() * values
        heard = weights @ values
        if rates is not None:
            heard = randomize_attention(heard, values, mask, rates)
        return self.project_out(heard * factor)


def randomize_attention(
    heard: Float[Tensor, "batch frames hidden"],
    values: Float[Tensor, "batch frames hidden"],
    mask: Bool[Tensor, "batch frames"],
    rates: DropRates,
) -> Float[Tensor, "batch frames hidden"]:
    """In some clips, let every frame hear all real ones alike, and in some nothing at all."""
    alike = (mask / mask.sum(dim=1, keepdim=True)).to(values.dtype).unsqueeze(1) @ values
    chosen = torch.rand(len(mask), 1, 1, device=mask.device) < rates.uniform_attention
    kept = clip_mask(values, rates.attention)
    return torch.addcmul(alike * (kept * chosen), heard, kept * ~chosen)


class FeedForward(nn.Module):
    """Linear, SwooshL, linear."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.project_in = nn.Linear(dim, hidden_dim)
        self.project_out = scaled_linear(hidden_dim, dim, 0.1)

    def forward(
        self, frames: Float[Tensor, "batch frames dim"], rates: DropRates | None
    ) -> Float[Tensor, "batch frames dim"]:
        """Return what is to be added to the frames."""
        linear = self.project_in
        shifted = functional.linear(frames, linear.weight, linear.bias - SWOOSH_L_SHIFT)
        kept = channel_mask(shifted, rates, "feed_forward")
        return self.project_out(swoosh_l(shifted, kept))


class ConvolutionModule(nn.Module):
    """A gated linear unit, a depthwise convolution over time, SwooshR, linear.

    Args:
        dim: width of a frame.
        kernel: of the convolution, frames; odd.
    """

    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__()
        self.project_in = nn.Linear(dim, 2 * dim)
        self.depthwise = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.project_out = scaled_linear(dim, dim, 0.05)

    def forward(
        self,
        frames: Float[Tensor, "batch frames dim"],
        mask: Bool[Tensor, "batch frames"],
        rates: DropRates | None,
    ) -> Float[Tensor, "batch frames dim"]:
        """Return what is to be added to the frames; where `mask` is False they count as zero."""
        gated = functional.glu(self.project_in(frames), dim=-1)
        gated.masked_fill_(~mask.unsqueeze(-1), 0.0)
        # As a plane one pixel wide the frames lie in channels-last order as they are, for which
        # CPU kernels are some thirty times faster than Conv1d's.
        plane = gated.transpose(1, 2).unsqueeze(2)
        kernel = self.depthwise
        assert kernel.bias is not None
        shifted = functional.conv2d(
            plane,
            kernel.weight.unsqueeze(2),
            kernel.bias - SWOOSH_R_SHIFT,
            padding=(0, kernel.kernel_size[0] // 2),
            groups=kernel.groups,
        )
        shifted = shifted.squeeze(2).transpose(1, 2)
        return self.project_out(swoosh_r(shifted, channel_mask(shifted, rates, "convolution")))
