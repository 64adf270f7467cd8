"""Losses of one yes-or-no question: is a tag there? Each on log-odds, element by element.

Written on logarithms throughout: a question that is answered with certainty, rightly or wrongly,
has a finite loss and a finite gradient. `truth` is 1 where the tag is present, else 0.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional


def binary_cross_entropy(
    logits: Float32[Tensor, "*shape"], truth: Float32[Tensor, "*shape"]
) -> Float32[Tensor, "*shape"]:
    """Return -log p where present, -log(1 - p) where absent, in nats; p = sigmoid(logits)."""
    return functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")


def focal(
    logits: Float32[Tensor, "*shape"], truth: Float32[Tensor, "*shape"], *, gamma: float
) -> Float32[Tensor, "*shape"]:
    """Return -(1 - q)^gamma log q, where q is the probability of what is true.

    Lin et al. 2017, arXiv 1708.02002, equation 4: without the weight alpha of equation 5, in whose
    place the head starts at each tag's own frequency.

    Args:
        logits: log-odds of presence.
        truth: 1 or 0.
        gamma: 0 or more; 0 is the binary cross-entropy.
    """
    signed = torch.where(truth > 0, logits, -logits)
    return -torch.exp(gamma * functional.logsigmoid(-signed)) * functional.logsigmoid(signed)


def asymmetric(
    logits: Float32[Tensor, "*shape"],
    truth: Float32[Tensor, "*shape"],
    *,
    gamma: float,
    gamma_present: float,
    margin: float,
) -> Float32[Tensor, "*shape"]:
    """Return -(1 - p)^gamma_present log p where present, -m^gamma log(1 - m) where absent.

    m = max(p - margin, 0): what is all but certainly absent weighs nothing (Ben-Baruch et al. 2020,
    arXiv 2009.14119, equations 4 to 7).

    Args:
        logits: log-odds of presence.
        truth: 1 or 0.
        gamma: exponent for absent tags, 0 or more.
        gamma_present: exponent for present tags, 0 or more.
        margin: 0 to 1; with 0 and equal exponents it is the focal loss.
    """
    present = focal(logits, torch.ones_like(logits), gamma=gamma_present)
    shift = logits.new_tensor(math.log(margin) if margin else -math.inf)
    log_absent = torch.logaddexp(functional.logsigmoid(-logits), shift).clamp(max=0.0)
    # Off 0, where a power below 1 has no gradient; log_absent is 0 there.
    shifted = (torch.sigmoid(logits) - margin).clamp(min=1e-12)
    return torch.where(truth > 0, present, -shifted.pow(gamma) * log_absent)
