"""What the processes of a run tell each other after each step, and what comes of it."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from earmark.pretrain.data.loader import Batch
from earmark.pretrain.objectives.base import Loss
from earmark.records import Example


@dataclass(frozen=True)
class Told:
    """One process's part of a step.

    Args:
        losses: each micro-batch's mean loss.
        weights: over how many items each of them is a mean.
        parts: of each micro-batch's loss.
        part_weights: over how many items each of those is a mean.
        norm: of all gradients together, already averaged over the processes.
        heard_s: real seconds of audio.
        padded_s: the same with padding.
        waited_s: for batches.
        asked: the signal by which this process was asked to stop, 0 for none.
    """

    losses: Sequence[float]
    weights: Sequence[int]
    parts: Sequence[Mapping[str, float]]
    part_weights: Sequence[Mapping[str, int]]
    norm: float
    heard_s: float
    padded_s: float
    waited_s: float
    asked: int


@dataclass(frozen=True)
class Joined:
    """A step of all processes: weighted means, and sums.

    Args:
        loss: mean over all items.
        weight: how many items there were, at least 1.
        parts: of the loss, each over the micro-batches that have it.
        heard_s: real seconds of audio.
        padding: share of the audio that is padding, 0 to 1.
        waited_s: for batches, mean of the processes.
        asked: the signal by which some process was asked to stop, 0 for none.
    """

    loss: float
    weight: int
    parts: Mapping[str, float]
    heard_s: float
    padding: float
    waited_s: float
    asked: int


@dataclass(frozen=True)
class Taken:
    """An optimiser step that was taken.

    Args:
        joined: what it was made of.
        norm: of the gradient, before it was clipped.
        rate: the encoder's learning rate.
    """

    joined: Joined
    norm: float
    rate: float


@dataclass(frozen=True)
class Heard:
    """What a process has to say of a step that failed: its losses, and the clips by name."""

    losses: tuple[float, ...]
    clips: str


def named_clips(clips: Sequence[Example]) -> str:
    """Return ids and paths in one line."""
    return ", ".join(f"{clip.id} ({clip.path})" for clip in clips)


def not_finite(everyone: Sequence[Heard]) -> str:
    """Name the clips of the processes with a loss that is not finite.

    Where all losses are finite, a gradient that is not may be anyone's: then those of all.
    """
    guilty = [rank for rank, one in enumerate(everyone) if not all(map(math.isfinite, one.losses))]
    ranks = guilty or range(len(everyone))
    return "; ".join(f"process {rank}: {everyone[rank].clips}" for rank in ranks)


def told(
    batches: Sequence[Batch], losses: Sequence[Loss], norm: Tensor, *, waited_s: float, asked: int
) -> Told:
    """Return what a process has to tell; the one place where it waits for its accelerator."""
    parts = [part for loss in losses for part in loss.parts.values()]
    numbers = iter(_numbers([norm, *(loss.total for loss in losses), *parts]))
    return Told(
        norm=next(numbers),
        losses=[next(numbers) for _ in losses],
        weights=[loss.weight for loss in losses],
        parts=[{name: next(numbers) for name in loss.parts} for loss in losses],
        part_weights=[{name: loss.weight_of(name) for name in loss.parts} for loss in losses],
        heard_s=sum(batch.duration_s for batch in batches),
        padded_s=sum(batch.wave.numel() / batch.sample_rate for batch in batches),
        waited_s=waited_s,
        asked=asked,
    )


def joined(everyone: Sequence[Told]) -> Joined:
    """Return the step of all processes, the same in each of them."""
    weights = [weight for one in everyone for weight in one.weights]
    losses = [loss for one in everyone for loss in one.losses]
    parts = [part for one in everyone for part in one.parts]
    part_weights = [part for one in everyone for part in one.part_weights]
    names = dict.fromkeys(name for part in parts for name in part)
    heard_s = sum(one.heard_s for one in everyone)
    return Joined(
        loss=_mean(losses, weights),
        weight=max(1, sum(weights)),
        parts={
            name: _mean(
                [part[name] for part in parts if name in part],
                [part[name] for part in part_weights if name in part],
            )
            for name in names
        },
        heard_s=heard_s,
        padding=1.0 - heard_s / sum(one.padded_s for one in everyone),
        waited_s=sum(one.waited_s for one in everyone) / len(everyone),
        asked=wish([one.asked for one in everyone]),
    )


def wish(asked: Sequence[int]) -> int:
    """Return the signal that processes were asked to stop by, 0 for none.

    Ctrl-C is a person's wish, and goes before a scheduler's.
    """
    return int(signal.SIGINT) if signal.SIGINT in asked else max(asked)


def _mean(values: Sequence[float], weights: Sequence[int]) -> float:
    total = sum(value * weight for value, weight in zip(values, weights, strict=True))
    return total / max(1, sum(weights))


def _numbers(scalars: Sequence[Tensor]) -> list[float]:
    return torch.stack([scalar.detach().float().reshape(()) for scalar in scalars]).tolist()
