"""Parts of a short training on frozen features.

These are the learning-rate schedule, seeded torch, and the best state on validation.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


def learning_rate_scale(step: int, steps: int) -> float:
    """Return the share of the highest learning rate at a step from 0 to `steps` - 1.

    In a tenth of the steps it rises, then it falls as a cosine.
    """
    warm = max(steps // 10, 1)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))


def is_validation_step(step: int, steps: int, checks: int) -> bool:
    """Return whether validation is looked at after `step`: about `checks` times, and at the end."""
    return (step + 1) % max(steps // checks, 1) == 0 or step + 1 == steps


@contextmanager
def torch_seed(seed: int, device: torch.device) -> Generator[None]:
    """Draw weights and dropout from `seed` within; outside, everything goes on as before."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@dataclass
class BestState:
    """The lowest loss so far, the step that it came after (0: none yet), and the weights then."""

    loss: float = math.inf
    step: int = 0
    state: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def offer(self, loss: float, step: int, model: nn.Module) -> None:
        """Keep the weights of `model` if their loss is the lowest; one that is NaN never is."""
        if loss < self.loss:
            self.loss, self.step = loss, step
            self.state = {name: value.clone() for name, value in model.state_dict().items()}

    def restore(self, model: nn.Module) -> None:
        """Give the kept weights, if any, back to `model`, in evaluation mode."""
        if self.state:
            model.load_state_dict(self.state)
        model.eval()
