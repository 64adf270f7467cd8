"""What training drops, and how much less of it as training goes on.

Early on whole layers and modules are skipped often and a layer may change its input little, so
that gradients reach everything; later the network is left alone (arXiv 2310.11230, section 3 and
its appendix on hyper-parameters). Every rate is a piecewise linear function of the training steps
seen, computed from a tensor, so that a compiled graph need not be built anew at each step.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

SCHEDULE_STEPS = 20_000
"""Training steps after which nothing but the rarest rates still change."""

SCHEDULE_END_STEP = 50_000
"""Training steps after which nothing changes any more."""


class DropRates(NamedTuple):
    """Probabilities at one step, each a tensor without dimensions.

    `dropout` is of channels; `layer`, `attention`, `convolution` and `feed_forward` are of a clip
    going without that module; `uniform_attention` is of a clip whose first head weighs all frames
    alike in the non-linear attention; `min_bypass` is no probability but the least share of
    what a layer gives that is to be let through.
    """

    dropout: Tensor
    layer: Tensor
    attention: Tensor
    convolution: Tensor
    feed_forward: Tensor
    uniform_attention: Tensor
    min_bypass: Tensor


def rates_at(steps: Int[Tensor, ""], dropout: float) -> DropRates:
    """Return the rates after so many training steps.

    Args:
        steps: training steps seen.
        dropout: at the end of its schedule; it starts at three times that (at most 0.5).
    """
    return DropRates(
        dropout=_piecewise_linear(steps, ((0, min(3 * dropout, 0.5)), (SCHEDULE_STEPS, dropout))),
        layer=_piecewise_linear(steps, ((0, 0.5), (4_000, 0.02))),
        attention=_piecewise_linear(steps, ((0, 0.2), (4_000, 0.05), (16_000, 0.0))),
        convolution=_piecewise_linear(steps, ((0, 0.2), (4_000, 0.05), (16_000, 0.0))),
        feed_forward=_piecewise_linear(steps, ((0, 0.1), (4_000, 0.01), (SCHEDULE_END_STEP, 0.0))),
        uniform_attention=_piecewise_linear(steps, ((0, 0.25), (4_000, 0.025))),
        min_bypass=_piecewise_linear(steps, ((0, 0.9), (SCHEDULE_STEPS, 0.2))),
    )


def _piecewise_linear(
    steps: Int[Tensor, ""], points: tuple[tuple[int, float], ...]
) -> Float[Tensor, ""]:
    """Return the value at `steps` on the line through (step, value) points, flat outside."""
    step = steps.to(torch.float32)
    value = torch.full_like(step, points[0][1])
    for (start, before), (end, after) in pairwise(points):
        share = ((step - start) / (end - start)).clamp(0.0, 1.0)
        value = value + share * (after - before)
    return value


def channel_mask(
    hidden: Float[Tensor, "batch frames width"],
    rates: DropRates | None,
    module: Literal["feed_forward", "convolution"],
) -> Float[Tensor, "batch 1 width"] | None:
    """Return what hidden channels are multiplied by; those of a clip are kept in all its frames.

    Some channels are zero and the rest are scaled up to match; where the clip skips the module,
    all are zero, so that only the constant bias of its last linear layer is added.
    """
    if rates is None:
        return None
    chance = torch.rand(len(hidden), 1, hidden.shape[-1], device=hidden.device)
    skip_rate = rates.feed_forward if module == "feed_forward" else rates.convolution
    kept = (chance >= rates.dropout) / (1.0 - rates.dropout)
    return (kept * clip_mask(hidden, skip_rate)).to(hidden.dtype)


def clip_mask(
    frames: Float[Tensor, "batch frames dim"], rate: Float[Tensor, ""]
) -> Float[Tensor, "batch 1 1"]:
    """Return 0 for clips that are to go without a module, with probability `rate`, and else 1."""
    kept = torch.rand(len(frames), 1, 1, device=frames.device) >= rate
    return kept.to(frames.dtype)
