"""Self-attention whose weights are computed once a layer and used three times.

A score is query . key + positional query . encoding of the distance between both frames; the
encoding is finest near zero and knows no longest length (arXiv 2310.11230, section 3.2).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from earmark.pretrain.encoders.zipformer.linear import scaled_linear
from earmark.pretrain.encoders.zipformer.schedule import Rates, kept_clips


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
        scores = _Shifted.apply(by_distance) + nobody[:, None, None, :]
        scores.flatten(0, 1).baddbmm_(query.flatten(0, 1), key.transpose(2, 3).flatten(0, 1))
        # Exponentials and their sum are taken in float32 at least, also under autocast.
        wide = torch.promote_types(scores.dtype, torch.float32)
        return scores.softmax(dim=-1, dtype=wide).to(scores.dtype)


class _Shifted(torch.autograd.Function):
    """`shifted`, whose gradient is laid out in one pass instead of one a slice."""

    @staticmethod
    def forward(ctx: Any, by_distance: Tensor) -> Tensor:
        return shifted(by_distance).view_as(shifted(by_distance))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        by_distance = gradients[0].new_zeros(*gradients[0].shape[:3], 2 * gradients[0].shape[3])
        shifted(by_distance).copy_(gradients[0])
        return by_distance


def shifted(
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
        rates: Rates | None,
    ) -> Float[Tensor, "batch frames dim"]:
        """Return what is to be added to the frames."""
        values = self.project_in(frames).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        heard = (weights @ values).transpose(1, 2).flatten(2)
        if rates is not None:
            heard = heard * kept_clips(frames, rates.attention)
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
        rates: Rates | None,
    ) -> Float[Tensor, "batch frames dim"]:
        """Return what is to be added to the frames."""
        gate, values, factor = self.project_in(frames).chunk(3, dim=-1)
        values = gate.tanh() * values
        heard = weights @ values
        if rates is not None:
            heard = evened(heard, values, mask, rates)
        return self.project_out(heard * factor)


def evened(
    heard: Float[Tensor, "batch frames hidden"],
    values: Float[Tensor, "batch frames hidden"],
    mask: Bool[Tensor, "batch frames"],
    rates: Rates,
) -> Float[Tensor, "batch frames hidden"]:
    """In some clips, let every frame hear all real ones alike, and in some nothing at all."""
    alike = (mask / mask.sum(dim=1, keepdim=True)).to(values.dtype).unsqueeze(1) @ values
    chosen = torch.rand(len(mask), 1, 1, device=mask.device) < rates.even_attention
    kept = kept_clips(values, rates.attention)
    return torch.addcmul(alike * (kept * chosen), heard, kept * ~chosen)
