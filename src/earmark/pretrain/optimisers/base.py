"""The contract of an optimiser: parameters with names, rates as functions of the step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor, nn

Owner = Literal["encoder", "objective"]


@dataclass(frozen=True)
class Named:
    """A parameter, whose it is, and its name "owner.parameter" in the state of a run."""

    owner: Owner
    name: str
    parameter: nn.Parameter


def named_parameters(encoder: nn.Module, objective: nn.Module) -> list[Named]:
    """Return all parameters that are to be trained, always in the same order."""
    owners: tuple[tuple[Owner, nn.Module], ...] = (("encoder", encoder), ("objective", objective))
    return [
        Named(owner, f"{owner}.{name}", parameter)
        for owner, module in owners
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    ]


class Optimiser(ABC):
    """Steps that encoder and objective take, each at its own rate.

    Args:
        named: what is trained.
    """

    def __init__(self, named: Sequence[Named]) -> None:
        self.named = named

    @abstractmethod
    def step(self, step: int, epoch: float) -> float:
        """Take step 0, 1, ... at `epoch`; return the encoder's learning rate."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Return all that is kept between steps, named "owner.parameter.moment"."""

    @abstractmethod
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `tensors` returned."""

    @final
    def norm(self) -> Tensor:
        """Return the norm of all gradients together, where they are: nothing waits for it."""
        return nn.utils.get_total_norm(self._gradients())

    @final
    def scale(self, factor: float) -> None:
        """Multiply every gradient by `factor`."""
        gradients = self._gradients()
        if gradients:
            torch._foreach_mul_(gradients, factor)  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]

    def _gradients(self) -> list[Tensor]:
        return [each.parameter.grad for each in self.named if each.parameter.grad is not None]

    @final
    def forget(self) -> None:
        """Drop the gradients."""
        for each in self.named:
            each.parameter.grad = None


def within_norm(norm: float, ceiling: float) -> float:
    """Return what gradients of a norm are multiplied by to come down to `ceiling`; 1 below it."""
    return min(1.0, ceiling / norm) if norm > 0 else 1.0
