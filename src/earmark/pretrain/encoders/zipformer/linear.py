"""Linear layers that start out small."""

from __future__ import annotations

import torch
from torch import nn


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
