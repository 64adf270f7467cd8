"""The exponential moving average of the weights: it scores better than the last ones and costs
little.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.objectives.base import Objective


class ModelEma:
    """An exponential moving average of an encoder and its objective (arXiv 1412.6980, section 7.2).

    After t steps the average keeps the share min(decay, (1 + t) / (10 + t)) of itself, so that the
    random weights of the start are soon forgotten. Buffers and whole numbers are taken as they are.

    Attributes:
        encoder: with averaged weights, in evaluation mode.
        objective: with averaged weights, in evaluation mode.
    """

    def __init__(self, encoder: Encoder, objective: Objective[Any], decay: float) -> None:
        self.encoder = copy.deepcopy(encoder).requires_grad_(False).eval()
        self.objective = copy.deepcopy(objective).requires_grad_(False).eval()
        self._decay = decay
        pairs = ((self.encoder, encoder), (self.objective, objective))
        self._kept: list[Tensor] = [kept for average, _ in pairs for kept in average.parameters()]
        self._latest = [latest.detach() for _, module in pairs for latest in module.parameters()]
        self._buffered = [
            (average, module, names)
            for average, module in pairs
            if (names := _buffer_names(module))
        ]

    def update(self, step: int) -> None:
        """Take in the weights after step 1, 2, ..."""
        share = min(self._decay, (1 + step) / (10 + step))
        # One launch for all tensors.
        torch._foreach_lerp_(self._kept, self._latest, 1.0 - share)  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
        for average, module, names in self._buffered:
            kept, latest = average.state_dict(), module.state_dict()
            for name in names:
                kept[name].copy_(latest[name])

    def tensors(self) -> dict[str, Tensor]:
        """Return the averages, named "owner.parameter"."""
        owners = (("encoder", self.encoder), ("objective", self.objective))
        return {
            f"{owner}.{name}": value
            for owner, module in owners
            for name, value in module.state_dict().items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up averages that `tensors` returned."""
        for owner, module in (("encoder", self.encoder), ("objective", self.objective)):
            start = f"{owner}."
            given = {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
            module.load_state_dict(given, strict=True)


def _buffer_names(module: nn.Module) -> list[str]:
    """Return the names of the buffers that a checkpoint holds."""
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    return [name for name in module.state_dict() if name not in parameters]
