"""The contract of an objective: everything that is thrown away after pre-training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from torch import Tensor, nn

from earmark.pretrain.encoders.base import Encoded
from earmark.records import Example

T = TypeVar("T")


@dataclass(frozen=True)
class Loss:
    """A scalar `total` to descend on, and detached named `parts` of it to log."""

    total: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)


class Objective(nn.Module, ABC, Generic[T]):
    """Heads, decoders and text towers, and how they turn frames and targets into a loss.

    Targets are made on the CPU; whoever takes them moves them to the frames' device.
    """

    @abstractmethod
    def targets(self, examples: Sequence[Example]) -> T:
        """Collate targets; picklable and without parameters, for it runs in loader workers."""

    @abstractmethod
    def forward(self, encoded: Encoded, targets: T) -> Loss:
        """Return the loss of one batch; gathers across ranks itself where it must."""

    @abstractmethod
    def measure(self, batches: Iterable[tuple[Encoded, T]]) -> dict[str, float]:
        """Return "loss" and the objective's own scores over a whole validation set.

        `batches` yields every clip once. The caller has switched training and gradients off.
        """
