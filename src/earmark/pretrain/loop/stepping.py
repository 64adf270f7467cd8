"""One optimiser step: micro-batches back and forth, one word with the other processes, an update.

Gradients are weighted means over all micro-batches of a step, so that two processes do what one
does with pretrain.accumulate = 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch

from earmark.pretrain.data.loader import Batch
from earmark.pretrain.device import autocast
from earmark.pretrain.encoders.base import Augment
from earmark.pretrain.loop.joined import (
    Heard,
    Joined,
    Taken,
    Told,
    joined,
    named_clips,
    not_finite,
    told,
)
from earmark.pretrain.loop.micro_batches import MicroBatches
from earmark.pretrain.loop.model import Model
from earmark.pretrain.loop.plan import Plan
from earmark.pretrain.loop.process_group import Peers, gradients_kept
from earmark.pretrain.loop.state import Reached
from earmark.pretrain.loop.step import TrainingStep
from earmark.pretrain.objectives.base import Loss
from earmark.pretrain.optimisers.base import within_norm
from earmark.pretrain.seeds import derived_seed


class Stepper:
    """Takes the steps of one process.

    Args:
        plan: of the run.
        model: what is trained.
        batches: on what.
        peers: the run's processes.
        device: of this process.
    """

    def __init__(
        self, plan: Plan, model: Model, batches: MicroBatches, peers: Peers, device: torch.device
    ) -> None:
        self._plan, self._config, self._model = plan, plan.config, model
        self._batches, self._peers, self._device = batches, peers, device
        self._steps_taken = dict(model.encoder.named_buffers(recurse=False)).get("steps_taken")
        step = TrainingStep(model.encoder, model.objective, compiled=plan.config.compile)
        self._module = peers.wrapped(
            step, leaves_parameters_out=model.leaves_parameters_out
        ).train()

    def take(
        self,
        reached: Reached,
        batches: Iterator[tuple[Batch, float]],
        asked: Callable[[], int],
    ) -> Taken:
        """Take the step behind `reached`, of the next `batches`.

        Raises:
            FloatingPointError: a loss or a gradient is not finite.
        """
        model = self._model
        if self._steps_taken is not None:
            self._steps_taken.fill_(reached.step)
        heard, losses, waited_s = self._micro_batches(reached, batches)
        norm = model.optimiser.norm()
        own = told(heard, losses, norm, waited_s=waited_s, asked=asked())
        everyone = joined(self._peers.gather(own))
        # Wrapped modules average over processes what should be summed.
        factor = self._peers.world.size / everyone.weight
        norm_of_mean = own.norm * factor
        if not (math.isfinite(norm_of_mean) and math.isfinite(everyone.loss)):
            raise self._not_finite(reached, heard, own, everyone, norm_of_mean)
        model.optimiser.scale(factor * within_norm(norm_of_mean, self._config.clip_norm))
        rate = model.optimiser.step(reached.step, self._batches.epoch(reached.consumed))
        model.optimiser.forget()
        if model.average is not None:
            model.average.update(reached.step + 1)
        return Taken(everyone, norm_of_mean, rate)

    def _micro_batches(
        self, reached: Reached, batches: Iterator[tuple[Batch, float]]
    ) -> tuple[list[Batch], list[Loss], float]:
        """Add up gradients; return batches, their losses, and the seconds waited for them."""
        heard: list[Batch] = []
        losses: list[Loss] = []
        waited_s = 0.0
        for place in range(self._config.accumulate):
            batch, wait_s = next(batches)
            index = self._batches.index(reached.consumed, place)
            last = place + 1 == self._config.accumulate
            losses.append(self._backward(batch, index, last=last))
            heard.append(batch)
            waited_s += wait_s
        return heard, losses, waited_s

    def _backward(self, batch: Batch, index: int, *, last: bool) -> Loss:
        """Add a micro-batch's gradients, weighted; return its loss, detached."""
        torch.manual_seed(derived_seed(self._plan.seed, "dropout", index))
        wave = batch.wave.to(self._device, non_blocking=True)
        lengths = batch.lengths.to(self._device, non_blocking=True)
        augment = Augment(self._config.spec_augment, batch.seeds)
        with gradients_kept(self._module, wanted=not last):
            with autocast(self._device, self._config.precision):
                loss: Loss = self._module(wave, lengths, augment, batch.targets)
            (loss.total * loss.weight).backward()
        return Loss(loss.total.detach(), loss.weight, loss.parts, loss.part_weights)

    def _not_finite(
        self, reached: Reached, heard: Sequence[Batch], own: Told, everyone: Joined, norm: float
    ) -> FloatingPointError:
        clips = [clip for batch in heard for clip in batch.examples]
        named = not_finite(self._peers.gather(Heard(tuple(own.losses), named_clips(clips))))
        return FloatingPointError(
            f"step {reached.step + 1}: the gradient's norm is {norm}, the loss "
            f"{everyone.loss}. Listen to the clips of this batch, or lower "
            f"pretrain.optimiser.lr ({self._config.optimiser.lr:g}): {named}"
        )
