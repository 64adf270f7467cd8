"""The optimizers: a common base, AdamW (arXiv 1711.05101) and ScaledAdam.

Parameters have names, and rates are functions of the step, so that a run resumes exactly.

ScaledAdam (Yao et al. 2023, "Zipformer: a faster and better encoder for ASR", arXiv 2310.11230,
section 3.5) takes steps in proportion to a tensor's own size, and learns that size. For a tensor
theta with gradient g at step t, b = sqrt(1 - beta2^t) / (1 - beta1^t):

    r = RMS(theta)                                    how large the tensor is
    m, v = Adam's moments of g
    h = sum(g * theta)                                the gradient of the tensor's scale
    n, w = Adam's moments of h
    theta -= rate * b * (r * m / (sqrt(v) + eps) + eta * theta * n / (sqrt(w) + eps))

The first term makes the same relative change to all tensors, the second lets each grow or shrink.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark.pretrain.config import AdamWConfig, PretrainConfig, ScaledAdamConfig
from earmark.pretrain.optim.schedules import cosine_schedule, eden_schedule

Owner = Literal["encoder", "objective"]


@dataclass(frozen=True)
class NamedParameter:
    """A parameter, whose it is, and its name "owner.parameter" in the state of a run."""

    owner: Owner
    name: str
    parameter: nn.Parameter


def named_parameters(encoder: nn.Module, objective: nn.Module) -> list[NamedParameter]:
    """Return all parameters that are to be trained, always in the same order."""
    owners: tuple[tuple[Owner, nn.Module], ...] = (("encoder", encoder), ("objective", objective))
    return [
        NamedParameter(owner, f"{owner}.{name}", parameter)
        for owner, module in owners
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    ]


class Optimizer(ABC):
    """Steps that encoder and objective take, each at its own rate.

    Args:
        named: what is trained.
    """

    def __init__(self, named: Sequence[NamedParameter]) -> None:
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


def clip_factor(norm: float, ceiling: float) -> float:
    """Return what gradients of a norm are multiplied by to come down to `ceiling`; 1 below it."""
    return min(1.0, ceiling / norm) if norm > 0 else 1.0


BETAS = (0.9, 0.98)


class AdamW(Optimizer):
    """Torch's AdamW; weight decay on matrices only.

    Args:
        named: what is trained.
        config: rates and decay.
        steps: of the whole run, over which the rate falls to zero.
    """

    def __init__(self, named: Sequence[NamedParameter], config: AdamWConfig, *, steps: int) -> None:
        super().__init__(named)
        self._config, self._steps = config, steps
        peaks = {"encoder": config.lr, "objective": config.objective_lr}
        groups: list[dict[str, Any]] = []
        self._peaks: list[float] = []
        self._places: list[str] = []
        for owner, peak in peaks.items():
            for matrices in (True, False):
                chosen = [
                    each
                    for each in named
                    if each.owner == owner and (each.parameter.ndim >= 2) == matrices
                ]
                if chosen:
                    decay = config.weight_decay if matrices else 0.0
                    groups.append(
                        {"params": [each.parameter for each in chosen], "weight_decay": decay}
                    )
                    self._peaks.append(peak)
                    self._places += [each.name for each in chosen]
        self._adam = torch.optim.AdamW(groups, lr=config.lr, betas=BETAS, fused=True)

    def step(self, step: int, epoch: float) -> float:
        """Take a step at a share of the peak rates that follows from `step` alone."""
        share = cosine_schedule(step, self._steps, self._config.warmup_steps)
        for group, peak in zip(self._adam.param_groups, self._peaks, strict=True):
            group["lr"] = share * peak
        self._adam.step()
        return share * self._config.lr

    def tensors(self) -> dict[str, Tensor]:
        """Return the running moments."""
        state: dict[int, dict[str, Tensor]] = self._adam.state_dict()["state"]
        return {
            f"{self._places[place]}.{moment}": value
            for place, moments in state.items()
            for moment, value in moments.items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up moments that `tensors` returned."""
        places = {name: place for place, name in enumerate(self._places)}
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            name, _, moment = key.rpartition(".")
            state.setdefault(places[name], {})[moment] = value
        groups = self._adam.state_dict()["param_groups"]
        self._adam.load_state_dict({"state": state, "param_groups": groups})


EPSILON = 1e-8

SCALE_LR_FACTOR = 0.1
"""eta: how much slower the size of a tensor is learnt than its direction."""

RMS_BOUNDS = (1e-5, 3.0)
"""Least, so that tensors of zeros can leave zero; most, from which a learnt size only shrinks."""

SCALAR_LR_FACTOR = 0.1
"""A single number has no direction beside its size and has to cross zero: plain Adam, slower."""


class ScaledAdam(Optimizer):
    """ScaledAdam under the Eden schedule.

    Args:
        named: what is trained.
        config: rates, and when they fall.
    """

    def __init__(self, named: Sequence[NamedParameter], config: ScaledAdamConfig) -> None:
        super().__init__(named)
        self._config = config
        alike: dict[tuple[object, ...], list[NamedParameter]] = {}
        for each in named:
            tensor = each.parameter
            alike.setdefault((each.owner, tensor.shape, tensor.dtype), []).append(each)
        self._stacks = [_TensorStack(members) for members in alike.values()]

    @torch.no_grad()
    def step(self, step: int, epoch: float) -> float:
        """Take a step at rates that follow from `step` and `epoch`."""
        share = eden_schedule(
            step,
            epoch,
            steps=self._config.lr_steps,
            epochs=self._config.lr_epochs,
            warmup_steps=self._config.warmup_steps,
        )
        rates: dict[Owner, float] = {
            "encoder": share * self._config.lr,
            "objective": share * self._config.objective_lr,
        }
        for stack in self._stacks:
            stack.step(step, rates[stack.owner])
        return rates["encoder"]

    def tensors(self) -> dict[str, Tensor]:
        """Return the running moments."""
        return {name: value for stack in self._stacks for name, value in stack.tensors().items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up moments that `tensors` returned."""
        for stack in self._stacks:
            for name, value in stack.tensors().items():
                value.copy_(tensors[name])


class _TensorStack:
    """Tensors of one shape, stepped at once; a missing gradient counts as zero."""

    def __init__(self, members: Sequence[NamedParameter]) -> None:
        self.owner: Owner = members[0].owner
        self._names = [each.name for each in members]
        self._parameters = [each.parameter for each in members]
        first = self._parameters[0]
        self._inner = tuple(range(1, first.ndim + 1))
        shape = (len(members), *first.shape)
        self._moments = {
            "mean": first.new_zeros(shape),
            "square": first.new_zeros(shape),
            "scale_mean": first.new_zeros(len(members)),
            "scale_square": first.new_zeros(len(members)),
        }

    def step(self, step: int, rate: float) -> None:
        correction = math.sqrt(1.0 - BETAS[1] ** (step + 1)) / (1.0 - BETAS[0] ** (step + 1))
        values = torch.stack([parameter.detach() for parameter in self._parameters])
        gradients = torch.stack(
            [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters]
        )
        direction = self._moved("mean", "square", gradients)
        if self._parameters[0].numel() == 1:
            change = direction.mul_(-rate * SCALAR_LR_FACTOR * correction)
        else:
            change = self._scaled(values, gradients, direction).mul_(-rate * correction)
        for parameter, row in zip(self._parameters, change.unbind(), strict=True):
            parameter.add_(row)

    def _scaled(
        self,
        values: Float[Tensor, "members ..."],
        gradients: Float[Tensor, "members ..."],
        direction: Float[Tensor, "members ..."],
    ) -> Float[Tensor, "members ..."]:
        least, most = RMS_BOUNDS
        rms = values.square().mean(dim=self._inner, keepdim=True).sqrt()
        growth = self._moved(
            "scale_mean", "scale_square", (gradients * values).sum(dim=self._inner)
        ).view_as(rms)
        # A tensor at the ceiling may only shrink: growth is what the step subtracts.
        growth = torch.where(rms >= most, growth.clamp(min=0.0), growth)
        return direction.mul_(rms.clamp(min=least)).addcmul_(values, growth, value=SCALE_LR_FACTOR)

    def _moved(
        self, mean: str, square: str, gradients: Float[Tensor, "members ..."]
    ) -> Float[Tensor, "members ..."]:
        first, second = self._moments[mean], self._moments[square]
        first.lerp_(gradients, 1.0 - BETAS[0])
        second.mul_(BETAS[1]).addcmul_(gradients, gradients, value=1.0 - BETAS[1])
        return first / second.sqrt().add_(EPSILON)

    def tensors(self) -> dict[str, Tensor]:
        return {
            f"{name}.{moment}": row
            for moment, values in self._moments.items()
            for name, row in zip(self._names, values.unbind(), strict=True)
        }


def build_optimizer(encoder: nn.Module, objective: nn.Module, config: PretrainConfig) -> Optimizer:
    """Return the optimizer that `config.optimizer` describes."""
    named = named_parameters(encoder, objective)
    if isinstance(config.optimizer, AdamWConfig):
        return AdamW(named, config.optimizer, steps=config.steps)
    return ScaledAdam(named, config.optimizer)
