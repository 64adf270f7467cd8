from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from earmark.pretrain.objectives.tags import asymmetric_loss, binary_cross_entropy, focal_loss

LOGITS = np.array([[-3.0, -0.7, 0.0, 0.4], [2.5, 1.0, -1.5, 6.0], [-8.0, 0.01, 3.0, -0.2]])
TRUTH = np.array([[0, 1, 0, 1], [1, 0, 1, 0], [0, 0, 1, 1]])


def plain_bce(p: float, present: bool) -> float:
    return -math.log(p) if present else -math.log(1 - p)


def plain_focal(p: float, present: bool, gamma: float) -> float:
    """arXiv 1708.02002, equations 2 and 4."""
    true = p if present else 1 - p
    return -((1 - true) ** gamma) * math.log(true)


def plain_asymmetric(
    p: float, present: bool, gamma: float, gamma_present: float, margin: float
) -> float:
    """arXiv 2009.14119, equations 5 to 7."""
    if present:
        return -((1 - p) ** gamma_present) * math.log(p)
    shifted = max(p - margin, 0.0)
    return -(shifted**gamma) * math.log(1 - shifted)


ASYMMETRIC = {"gamma": 4.0, "gamma_present": 1.0, "margin": 0.05}
CASES = {
    "bce": (binary_cross_entropy, plain_bce),
    "focal": (partial(focal_loss, gamma=2.0), partial(plain_focal, gamma=2.0)),
    "focal, a root": (partial(focal_loss, gamma=0.5), partial(plain_focal, gamma=0.5)),
    "asymmetric": (partial(asymmetric_loss, **ASYMMETRIC), partial(plain_asymmetric, **ASYMMETRIC)),
    "asymmetric, no margin": (
        partial(asymmetric_loss, gamma=2.0, gamma_present=0.0, margin=0.0),
        partial(plain_asymmetric, gamma=2.0, gamma_present=0.0, margin=0.0),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_losses_are_those_of_the_papers(case: str) -> None:
    loss, plain = CASES[case]
    given = loss(torch.tensor(LOGITS, dtype=torch.float32), torch.tensor(TRUTH).float())
    for row, column in np.ndindex(LOGITS.shape):
        p = 1 / (1 + math.exp(-LOGITS[row, column]))
        expected = plain(p, bool(TRUTH[row, column]))
        assert given[row, column].item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("truth", [0.0, 1.0])
@pytest.mark.parametrize(
    "loss",
    [
        binary_cross_entropy,
        partial(focal_loss, gamma=0.0),
        partial(focal_loss, gamma=0.5),
        partial(asymmetric_loss, gamma=0.5, gamma_present=0.5, margin=0.0),
        partial(asymmetric_loss, gamma=0.0, gamma_present=0.0, margin=0.05),
        partial(asymmetric_loss, gamma=4.0, gamma_present=1.0, margin=1.0),
    ],
)
def test_certainty_has_a_finite_loss_and_gradient(
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], truth: float
) -> None:
    logits = torch.tensor([-200.0, -30.0, 0.0, 30.0, 200.0], requires_grad=True)
    given = loss(logits, torch.full_like(logits, truth))
    given.sum().backward()
    assert torch.isfinite(given).all()
    assert (given >= 0).all()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_special_cases_agree() -> None:
    logits, truth = torch.tensor(LOGITS).float(), torch.tensor(TRUTH).float()
    plain = binary_cross_entropy(logits, truth)
    torch.testing.assert_close(focal_loss(logits, truth, gamma=0.0), plain)
    symmetric = asymmetric_loss(logits, truth, gamma=2.0, gamma_present=2.0, margin=0.0)
    torch.testing.assert_close(symmetric, focal_loss(logits, truth, gamma=2.0))
