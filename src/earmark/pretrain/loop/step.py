"""One optimizer step: micro-batches forward and backward, statistics of all ranks, an update.

Gradients are weighted means over all micro-batches of a step, so that two processes do what one
does with pretrain.accumulate = 2.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from earmark.pretrain.data.loader import Batch
from earmark.pretrain.device import autocast
from earmark.pretrain.encoders.base import Augmentation, Encoder
from earmark.pretrain.loop.data import MicroBatches, TrainingPlan
from earmark.pretrain.loop.process_group import ProcessGroup, no_gradient_sync
from earmark.pretrain.loop.state import TrainableModel, TrainState
from earmark.pretrain.objectives.base import Loss, Objective
from earmark.pretrain.optim.optimizers import clip_factor
from earmark.pretrain.seeds import derive_seed
from earmark.records import Example


@dataclass(frozen=True)
class RankStats:
    """One process's part of a step.

    Args:
        losses: each micro-batch's mean loss.
        weights: over how many items each of them is a mean.
        parts: of each micro-batch's loss.
        part_weights: over how many items each of those is a mean.
        norm: of all gradients together, already averaged over the processes.
        audio_s: real seconds of audio.
        padded_s: the same with padding.
        waited_s: for batches.
        asked: the signal by which this process was asked to stop, 0 for none.
    """

    losses: Sequence[float]
    weights: Sequence[int]
    parts: Sequence[Mapping[str, float]]
    part_weights: Sequence[Mapping[str, int]]
    norm: float
    audio_s: float
    padded_s: float
    waited_s: float
    asked: int


@dataclass(frozen=True)
class StepStats:
    """A step of all processes: weighted means, and sums.

    Args:
        loss: mean over all items.
        weight: how many items there were, at least 1.
        parts: of the loss, each over the micro-batches that have it.
        audio_s: real seconds of audio.
        padding: share of the audio that is padding, 0 to 1.
        waited_s: for batches, mean of the processes.
        asked: the signal by which some process was asked to stop, 0 for none.
    """

    loss: float
    weight: int
    parts: Mapping[str, float]
    audio_s: float
    padding: float
    waited_s: float
    asked: int


@dataclass(frozen=True)
class StepResult:
    """An optimizer step that was taken.

    Args:
        joined: what it was made of.
        norm: of the gradient, before it was clipped.
        rate: the encoder's learning rate.
    """

    joined: StepStats
    norm: float
    rate: float


@dataclass(frozen=True)
class FailedBatch:
    """What a process has to say of a step that failed: its losses, and the clips by name."""

    losses: tuple[float, ...]
    clips: str


def list_clips(clips: Sequence[Example]) -> str:
    """Return ids and paths in one line."""
    return ", ".join(f"{clip.id} ({clip.path})" for clip in clips)


def describe_non_finite(everyone: Sequence[FailedBatch]) -> str:
    """Name the clips of the processes with a loss that is not finite.

    Where all losses are finite, a gradient that is not may be anyone's: then those of all.
    """
    guilty = [rank for rank, one in enumerate(everyone) if not all(map(math.isfinite, one.losses))]
    ranks = guilty or range(len(everyone))
    return "; ".join(f"process {rank}: {everyone[rank].clips}" for rank in ranks)


def rank_stats(
    batches: Sequence[Batch], losses: Sequence[Loss], norm: Tensor, *, waited_s: float, asked: int
) -> RankStats:
    """Return what a process has to tell; the one place where it waits for its accelerator."""
    parts = [part for loss in losses for part in loss.parts.values()]
    numbers = iter(_to_floats([norm, *(loss.total for loss in losses), *parts]))
    return RankStats(
        norm=next(numbers),
        losses=[next(numbers) for _ in losses],
        weights=[loss.weight for loss in losses],
        parts=[{name: next(numbers) for name in loss.parts} for loss in losses],
        part_weights=[{name: loss.weight_of(name) for name in loss.parts} for loss in losses],
        audio_s=sum(batch.duration_s for batch in batches),
        padded_s=sum(batch.wave.numel() / batch.sample_rate for batch in batches),
        waited_s=waited_s,
        asked=asked,
    )


def reduce_stats(everyone: Sequence[RankStats]) -> StepStats:
    """Return the step of all processes, the same in each of them."""
    weights = [weight for one in everyone for weight in one.weights]
    losses = [loss for one in everyone for loss in one.losses]
    parts = [part for one in everyone for part in one.parts]
    part_weights = [part for one in everyone for part in one.part_weights]
    names = dict.fromkeys(name for part in parts for name in part)
    audio_s = sum(one.audio_s for one in everyone)
    return StepStats(
        loss=_weighted_mean(losses, weights),
        weight=max(1, sum(weights)),
        parts={
            name: _weighted_mean(
                [part[name] for part in parts if name in part],
                [part[name] for part in part_weights if name in part],
            )
            for name in names
        },
        audio_s=audio_s,
        padding=1.0 - audio_s / sum(one.padded_s for one in everyone),
        waited_s=sum(one.waited_s for one in everyone) / len(everyone),
        asked=stop_signal([one.asked for one in everyone]),
    )


def stop_signal(asked: Sequence[int]) -> int:
    """Return the signal that processes were asked to stop by, 0 for none.

    Ctrl-C is a person's wish, and goes before a scheduler's.
    """
    return int(signal.SIGINT) if signal.SIGINT in asked else max(asked)


def _weighted_mean(values: Sequence[float], weights: Sequence[int]) -> float:
    total = sum(value * weight for value, weight in zip(values, weights, strict=True))
    return total / max(1, sum(weights))


def _to_floats(scalars: Sequence[Tensor]) -> list[float]:
    return torch.stack([scalar.detach().float().reshape(()) for scalar in scalars]).tolist()


class LossModule(nn.Module):
    """An encoder under an objective, as one module whose `forward` gives the loss.

    Args:
        encoder: what is trained.
        objective: under what.
        compiled: whether torch.compile makes one program of the encoder's network. Its front end
            and the objective, whose shapes follow the texts, stay as they are.
    """

    def __init__(self, encoder: Encoder, objective: Objective[Any], *, compiled: bool) -> None:
        super().__init__()
        self.encoder = encoder
        self.objective = objective
        network = encoder.forward_features
        # Sizes are taken as fixed until they change: mel bins never do, clips and frames at once.
        self._network = torch.compile(network) if compiled else network

    def forward(
        self,
        wave: Float32[Tensor, "batch samples"],
        lengths: Int64[Tensor, " batch"],
        augment: Augmentation,
        targets: Any,
    ) -> Loss:
        """Return the loss of a batch, a mean over its `weight` items."""
        features, counts = self.encoder.prepare(wave, lengths, augment)
        return self.objective(self._network(features, counts), targets)


class TrainStep:
    """Takes the steps of one process.

    Args:
        plan: of the run.
        model: what is trained.
        batches: on what.
        peers: the run's processes.
        device: of this process.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        model: TrainableModel,
        batches: MicroBatches,
        peers: ProcessGroup,
        device: torch.device,
    ) -> None:
        self._plan, self._config, self._model = plan, plan.config, model
        self._batches, self._peers, self._device = batches, peers, device
        self._steps_taken = dict(model.encoder.named_buffers(recurse=False)).get("steps_taken")
        step = LossModule(model.encoder, model.objective, compiled=plan.config.compile)
        self._module = peers.wrapped(
            step, has_unused_parameters=model.has_unused_parameters
        ).train()

    def run(
        self,
        reached: TrainState,
        batches: Iterator[tuple[Batch, float]],
        asked: Callable[[], int],
    ) -> StepResult:
        """Take the step behind `reached`, of the next `batches`.

        Raises:
            FloatingPointError: a loss or a gradient is not finite.
        """
        model = self._model
        if self._steps_taken is not None:
            self._steps_taken.fill_(reached.step)
        heard, losses, waited_s = self._micro_batches(reached, batches)
        norm = model.optimizer.norm()
        own = rank_stats(heard, losses, norm, waited_s=waited_s, asked=asked())
        everyone = reduce_stats(self._peers.gather(own))
        # Wrapped modules average over processes what should be summed.
        factor = self._peers.world.size / everyone.weight
        norm_of_mean = own.norm * factor
        if not (math.isfinite(norm_of_mean) and math.isfinite(everyone.loss)):
            raise self._not_finite(reached, heard, own, everyone, norm_of_mean)
        model.optimizer.scale(factor * clip_factor(norm_of_mean, self._config.clip_norm))
        rate = model.optimizer.step(reached.step, self._batches.epoch(reached.consumed))
        model.optimizer.forget()
        if model.average is not None:
            model.average.update(reached.step + 1)
        return StepResult(everyone, norm_of_mean, rate)

    def _micro_batches(
        self, reached: TrainState, batches: Iterator[tuple[Batch, float]]
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
        torch.manual_seed(derive_seed(self._plan.seed, "dropout", index))
        wave = batch.wave.to(self._device, non_blocking=True)
        lengths = batch.lengths.to(self._device, non_blocking=True)
        augment = Augmentation(self._config.spec_augment, batch.seeds)
        with no_gradient_sync(self._module, wanted=not last):
            with autocast(self._device, self._config.precision):
                loss: Loss = self._module(wave, lengths, augment, batch.targets)
            (loss.total * loss.weight).backward()
        return Loss(loss.total.detach(), loss.weight, loss.parts, loss.part_weights)

    def _not_finite(
        self,
        reached: TrainState,
        heard: Sequence[Batch],
        own: RankStats,
        everyone: StepStats,
        norm: float,
    ) -> FloatingPointError:
        clips = [clip for batch in heard for clip in batch.examples]
        named = describe_non_finite(
            self._peers.gather(FailedBatch(tuple(own.losses), list_clips(clips)))
        )
        return FloatingPointError(
            f"step {reached.step + 1}: the gradient's norm is {norm}, the loss "
            f"{everyone.loss}. Listen to the clips of this batch, or lower "
            f"pretrain.optimizer.lr ({self._config.optimizer.lr:g}): {named}"
        )
