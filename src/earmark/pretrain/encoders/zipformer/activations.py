"""SwooshL, SwooshR and BiasNorm (arXiv 2310.11230, sections 3.3 and 3.4)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.08
SHIFT_L, OFFSET_L = 4.0, 0.035
SHIFT_R, OFFSET_R = 1.0, 0.313261687


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
        shifted: x - `SHIFT_L`; whoever computes x takes it off a bias, which costs nothing.
        kept: what the result is multiplied by.
    """
    return _Swoosh.apply(shifted, SLOPE * SHIFT_L + OFFSET_L, kept)


def swoosh_r(
    shifted: Float[Tensor, "*shape"], kept: Tensor | None = None
) -> Float[Tensor, "*shape"]:
    """Return ln(1 + e^(x - 1)) - 0.08 x - 0.313261687, which is 0 at 0.

    Args:
        shifted: x - `SHIFT_R`; whoever computes x takes it off a bias, which costs nothing.
        kept: what the result is multiplied by.
    """
    return _Swoosh.apply(shifted, SLOPE * SHIFT_R + OFFSET_R, kept)


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
