"""AdamW whose learning rates are functions of the step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from earmark.pretrain.config import PretrainConfig

BETAS = (0.9, 0.98)


def schedule(step: int, config: PretrainConfig) -> float:
    """Return the share of the peak rate at step 0, 1, ...: linear warm-up, then half a cosine."""
    warm = min(1.0, (step + 1) / max(config.warmup_steps, 1))
    return warm * 0.5 * (1.0 + math.cos(math.pi * step / config.steps))


class Optimiser:
    """AdamW over encoder and objective, each at its own rate, weight decay on matrices only.

    Args:
        encoder: trained at `config.lr`.
        objective: trained at `config.objective_lr`.
        config: rates, decay and gradient ceiling.
    """

    def __init__(self, encoder: nn.Module, objective: nn.Module, config: PretrainConfig) -> None:
        self._config = config
        self._names: list[str] = []
        self._parameters: list[nn.Parameter] = []
        self._peaks: list[float] = []
        groups: list[dict[str, Any]] = []
        rates = (("encoder", encoder, config.lr), ("objective", objective, config.objective_lr))
        for owner, module, rate in rates:
            for matrices in (True, False):
                named = [(n, p) for n, p in module.named_parameters() if (p.ndim >= 2) == matrices]
                decay = config.weight_decay if matrices else 0.0
                if named:
                    groups.append({"params": [p for _, p in named], "weight_decay": decay})
                    self._peaks.append(rate)
                self._names += [f"{owner}.{name}" for name, _ in named]
                self._parameters += [parameter for _, parameter in named]
        self._adam = torch.optim.AdamW(groups, lr=config.lr, betas=BETAS, fused=True)

    def clip(self) -> float:
        """Scale gradients down to `clip_norm` together; return their norm before that."""
        return float(nn.utils.clip_grad_norm_(self._parameters, self._config.clip_norm))

    def step(self, step: int) -> float:
        """Take step 0, 1, ... and forget the gradients; return the encoder's learning rate."""
        share = schedule(step, self._config)
        for group, peak in zip(self._adam.param_groups, self._peaks, strict=True):
            group["lr"] = share * peak
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        return share * self._config.lr

    def tensors(self) -> dict[str, Tensor]:
        """Return the running moments, named "owner.parameter.moment"."""
        state: dict[int, dict[str, Tensor]] = self._adam.state_dict()["state"]
        return {
            f"{self._names[place]}.{moment}": value
            for place, moments in state.items()
            for moment, value in moments.items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up moments that `tensors` returned."""
        places = {name: place for place, name in enumerate(self._names)}
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            name, _, moment = key.rpartition(".")
            state.setdefault(places[name], {})[moment] = value
        groups = self._adam.state_dict()["param_groups"]
        self._adam.load_state_dict({"state": state, "param_groups": groups})
