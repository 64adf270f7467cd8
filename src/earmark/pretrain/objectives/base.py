"""The contract of an objective: everything that is thrown away after pre-training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, final

from torch import Tensor, nn

from earmark.pretrain.encoders.base import Encoded
from earmark.records import Example

T = TypeVar("T")


@dataclass(frozen=True)
class Loss:
    """A scalar `total` to descend on, and detached named `parts` of it to log.

    `total` is a mean over `weight` items (clips, or tokens): batches and processes whose weights
    differ are joined by weighted means, so that the gradient is that of one large batch. Whoever
    joins them multiplies by the weight before `backward`, for gradients may cross over to other
    processes on the way back. `part_weights` says over how many items a part is a mean, where that
    is another number than `weight`.
    """

    total: Tensor
    weight: int
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    part_weights: Mapping[str, int] = field(default_factory=dict)

    def weight_of(self, part: str) -> int:
        """Return over how many items a part is a mean."""
        return self.part_weights.get(part, self.weight)


class Meter(ABC, Generic[T]):
    """Scores over a whole validation set, batch by batch, of which no frames are kept.

    The caller has switched training and gradients off. Nothing is gathered: one process measures
    alone.
    """

    @abstractmethod
    def add(self, encoded: Encoded, targets: T) -> None:
        """Take in a batch; every clip comes once."""

    @abstractmethod
    def result(self) -> dict[str, float]:
        """Return "loss" and the objective's own scores; NaN where no clip came."""


class Objective(nn.Module, ABC, Generic[T]):
    """Heads, decoders and text towers, and how they turn frames and targets into a loss.

    `selects` names the score of `measure` by which the best checkpoint is chosen: of "loss" the
    lowest, of any other the highest. `has_unused_parameters` says that some parameter may get no
    gradient from a batch.
    """

    selects: str = "loss"
    has_unused_parameters: bool = False

    @abstractmethod
    def targets(self, examples: Sequence[Example], seeds: Sequence[int]) -> T:
        """Collate targets, on the CPU; reads no parameters, for it runs in loader threads.

        Where something is drawn for a clip, it follows from its seed alone: one a clip, fixed by
        (seed, step, clip id). Targets can be pickled; `forward` moves them to the frames' device.
        """

    @abstractmethod
    def forward(self, encoded: Encoded, targets: T) -> Loss:
        """Return the loss of one batch; gathers across ranks itself where it must."""

    @abstractmethod
    def meter(self) -> Meter[T]:
        """Return a meter that nothing has come to yet."""

    @final
    def measure(self, batches: Iterable[tuple[Encoded, T]]) -> dict[str, float]:
        """Return what a fresh meter says of `batches`, which are gone through once."""
        meter = self.meter()
        for encoded, targets in batches:
            meter.add(encoded, targets)
        return meter.result()
