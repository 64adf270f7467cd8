"""AdamW (arXiv 1711.05101) with linear warm-up and half a cosine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from earmark.pretrain.config import AdamWConfig
from earmark.pretrain.optim.schedules import cosine
from earmark.pretrain.optimisers.base import Named, Optimiser

BETAS = (0.9, 0.98)


class AdamW(Optimiser):
    """Torch's AdamW; weight decay on matrices only.

    Args:
        named: what is trained.
        config: rates and decay.
        steps: of the whole run, over which the rate falls to zero.
    """

    def __init__(self, named: Sequence[Named], config: AdamWConfig, *, steps: int) -> None:
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
        share = cosine(step, self._steps, self._config.warmup_steps)
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
