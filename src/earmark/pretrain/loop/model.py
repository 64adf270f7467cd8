"""All that training changes: an encoder, its objective, the optimiser, the running average."""

from __future__ import annotations

import dataclasses

import torch

from earmark.pretrain.build import build_encoder, build_objective
from earmark.pretrain.checkpoints.checkpoint import Checkpoint
from earmark.pretrain.loop.ema import Average
from earmark.pretrain.loop.plan import Plan
from earmark.pretrain.loop.start import Start
from earmark.pretrain.loop.state import Kept, restore
from earmark.pretrain.optimisers.build import build_optimiser


class Model:
    """What is trained, fresh or as the last state has it.

    Args:
        plan: of the run.
        start: what it starts from.
        device: where the weights lie.
        averages: whether this process keeps the running average, where the run has one.

    Attributes:
        encoder: the weights of the last step; the same in every process.
        objective: likewise.
        optimiser: of both.
        average: None where none is kept.
    """

    def __init__(self, plan: Plan, start: Start, device: torch.device, *, averages: bool) -> None:
        self._plan, self._start = plan, start
        fresh = start.state is None
        self.encoder = build_encoder(start.encoder, seed=plan.seed, pretrained=fresh).to(device)
        self.encoder.checkpoint_activations = plan.config.checkpoint_activations
        self.objective = build_objective(
            plan.objective,
            start.materials,
            dim=self.encoder.dim,
            seed=plan.seed,
            pretrained=fresh,
        ).to(device)
        self.optimiser = build_optimiser(self.encoder, self.objective, plan.config)
        self.average = None
        if averages and plan.config.ema_decay:
            self.average = Average(self.encoder, self.objective, plan.config.ema_decay)
        if start.state is not None:
            restore(start.state, self.kept(start.reached.step))

    @property
    def leaves_parameters_out(self) -> bool:
        """Whether some parameter may get no gradient from a batch."""
        return self.encoder.leaves_parameters_out or self.objective.leaves_parameters_out

    def latest(self, step: int) -> Checkpoint:
        """Return the model with the weights of the last step, which is `step`."""
        plan = self._plan
        return Checkpoint(
            self.encoder,
            self.objective,
            plan.vocabulary,
            self._start.materials,
            self._start.encoder,
            plan.objective,
            step,
        )

    def used(self, step: int) -> Checkpoint:
        """Return the model as it is used: the running average, where there is one."""
        latest = self.latest(step)
        if self.average is None:
            return latest
        return dataclasses.replace(
            latest, encoder=self.average.encoder, objective=self.average.objective
        )

    def kept(self, step: int) -> Kept:
        """Return what the state of a step is of."""
        return Kept(self.latest(step), self.optimiser, self.average)
