"""The state of a model in training that did best on validation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass
class Best:
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
