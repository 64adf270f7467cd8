"""Which micro-batches are a process's, and where its next ones lie.

Micro-batches are numbered over all processes and epochs. A step of `world.size` processes takes the
next `accumulate * world.size` of them, dealt out in turn. So a step of two processes is made of the
same as one of a single process that accumulates two, and how far a run is, is one number.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import torch

from earmark.pretrain.data.loader import Batch, load_batch, prefetch
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.loop.budget import order_of
from earmark.pretrain.loop.distributed import World
from earmark.pretrain.loop.plan import Plan
from earmark.pretrain.objectives.base import Objective


class MicroBatches:
    """The train split, as one process hears it.

    Args:
        plan: the clips, their order and their lengths.
        world: which process this is.
        encoder: what it listens to.
        objective: makes the targets, in the threads that load.
        device: where batches will go.

    Attributes:
        a_step: micro-batches of one optimiser step, over all processes.
    """

    def __init__(
        self,
        plan: Plan,
        world: World,
        encoder: Encoder,
        objective: Objective[Any],
        device: torch.device,
    ) -> None:
        self._plan, self._world = plan, world
        self._sample_rate, self._targets = encoder.sample_rate, objective.targets
        self._pin_memory = device.type == "cuda"
        self.a_step = plan.config.accumulate * world.size
        self._order = order_of(plan.splits.train, plan.config, seed=plan.seed)

    def epoch(self, consumed: int) -> float:
        """Return how many epochs are done once so many micro-batches are consumed."""
        return self._order.epoch(consumed)

    def index(self, consumed: int, place: int) -> int:
        """Return the index of this process's micro-batch 0, 1, ... behind what was consumed."""
        return consumed + place * self._world.size + self._world.rank

    def behind(self, consumed: int, steps: int) -> Generator[tuple[Batch, float]]:
        """Yield this process's micro-batches of so many steps, and the seconds waited for each."""
        places = range(steps * self._plan.config.accumulate)
        indices = (self.index(consumed, place) for place in places)
        return prefetch(self._load, indices, self._plan.config.workers)

    def _load(self, index: int) -> Batch:
        train = self._plan.splits.train
        return load_batch(
            [train[place] for place in self._order(index)],
            self._sample_rate,
            self._plan.config.max_clip_s,
            self._targets,
            seed=self._plan.seed,
            step=index,
            pin_memory=self._pin_memory,
        )
