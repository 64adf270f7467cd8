"""ScaledAdam: steps in proportion to a tensor's own size, and a size that is learnt.

Yao et al. 2023, "Zipformer: a faster and better encoder for ASR", arXiv 2310.11230, section 3.5.
For a tensor theta with gradient g at step t, b = sqrt(1 - beta2^t) / (1 - beta1^t):

    r = RMS(theta)                                    how large the tensor is
    m, v = Adam's moments of g
    h = sum(g * theta)                                the gradient of the tensor's scale
    n, w = Adam's moments of h
    theta -= rate * b * (r * m / (sqrt(v) + eps) + eta * theta * n / (sqrt(w) + eps))

The first term makes the same relative change to all tensors, the second lets each grow or shrink.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from earmark.pretrain.config import ScaledAdamConfig
from earmark.pretrain.optim.schedules import eden
from earmark.pretrain.optimisers.base import Named, Optimiser, Owner

BETAS = (0.9, 0.98)
EPSILON = 1e-8
SCALE_RATE = 0.1
"""eta: how much slower the size of a tensor is learnt than its direction."""
RMS_BOUNDS = (1e-5, 3.0)
"""Least, so that tensors of zeros can leave zero; most, from which a learnt size only shrinks."""
SCALAR_RATE = 0.1
"""A single number has no direction beside its size and has to cross zero: plain Adam, slower."""


class ScaledAdam(Optimiser):
    """ScaledAdam under the Eden schedule.

    Args:
        named: what is trained.
        config: rates, and when they fall.
    """

    def __init__(self, named: Sequence[Named], config: ScaledAdamConfig) -> None:
        super().__init__(named)
        self._config = config
        alike: dict[tuple[object, ...], list[Named]] = {}
        for each in named:
            tensor = each.parameter
            alike.setdefault((each.owner, tensor.shape, tensor.dtype), []).append(each)
        self._stacks = [_Stack(members) for members in alike.values()]

    @torch.no_grad()
    def step(self, step: int, epoch: float) -> float:
        """Take a step at rates that follow from `step` and `epoch`."""
        share = eden(
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


class _Stack:
    """Tensors of one shape, stepped at once; a missing gradient counts as zero."""

    def __init__(self, members: Sequence[Named]) -> None:
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
            change = direction.mul_(-rate * SCALAR_RATE * correction)
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
        return direction.mul_(rms.clamp(min=least)).addcmul_(values, growth, value=SCALE_RATE)

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
