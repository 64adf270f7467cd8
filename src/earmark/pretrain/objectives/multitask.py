"""Several objectives on the same frames: L_MTC + lambda * L_captioning in the paper (section 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.objectives.base import Loss, Meter, Objective
from earmark.pretrain.objectives.config import MultitaskConfig, PartConfig
from earmark.records import Example

V = TypeVar("V")
MultitaskTargets = tuple[Any, ...]
"""The targets of each part, in order."""


class MultitaskObjective(Objective[MultitaskTargets]):
    """A weighted sum of objectives, each a mean over its own items (clips, or tokens).

    With learnt weights it is the sum of L_i / s_i^2 + log s_i, where s_i stands for the noise of
    part i: the harder a part is, the less it counts (Kendall et al. 2017, arXiv 1705.07115,
    equation 10, for likelihoods). That sum can fall below 0. What is learnt is log s_i^2, from
    where the weights are those of the settings.

    Batches and processes are joined by their clips, also where a part is a mean over tokens.
    `selects` is the score that the first part selects by.

    Args:
        config: the parts and their weights.
        parts: the objectives, one for each of `config.parts`.
    """

    log_variances: Tensor

    def __init__(self, config: MultitaskConfig, parts: Sequence[Objective[Any]]) -> None:
        super().__init__()
        self.config = config
        self.names = part_names(config)
        self.parts = nn.ModuleList(parts)
        self.selects = parts[0].selects
        self.has_unused_parameters = any(part.has_unused_parameters for part in parts)
        start = -torch.tensor(config.weights).log()
        if config.learn_weights:
            self.log_variances = nn.Parameter(start)
        else:
            self.register_buffer("log_variances", start)

    def by_name(self) -> dict[str, Objective[Any]]:
        """Return the parts: by kind, and where there are several of one kind, "tags", "tags_2"."""
        parts: list[Any] = list(self.parts)
        return dict(zip(self.names, parts, strict=True))

    def targets(self, examples: Sequence[Example], seeds: Sequence[int]) -> MultitaskTargets:
        """Return the targets of each part."""
        return tuple(part.targets(examples, seeds) for part in self.by_name().values())

    def forward(self, encoded: Encoded, targets: MultitaskTargets) -> Loss:
        """Return the weighted sum, and the loss of each part by its name.

        What a part tells of its own stands behind that name: "captioning/ar". Where weights are
        learnt, they are told as "weight/tags" and so on.
        """
        losses: dict[str, Loss] = {
            name: part(encoded, own)
            for (name, part), own in zip(self.by_name().items(), targets, strict=True)
        }
        parts = {name: loss.total.detach() for name, loss in losses.items()}
        if self.config.learn_weights:
            weights = self.weights.detach()
            parts |= {f"weight/{name}": weights[i] for i, name in enumerate(self.names)}
        part_weights = {name: loss.weight for name, loss in losses.items()}
        for part, (name, loss) in zip(self.config.parts, losses.items(), strict=True):
            finer = [key for key in loss.parts if key != objective_name(part)]
            parts |= {f"{name}/{key}": loss.parts[key] for key in finer}
            part_weights |= {f"{name}/{key}": loss.weight_of(key) for key in finer}
        total = self.weighted(torch.stack([loss.total for loss in losses.values()]))
        return Loss(total, len(encoded.mask), parts, part_weights)

    def meter(self) -> Meter[MultitaskTargets]:
        """Return a meter of the parts' scores, and of their weighted sum as "loss".

        Each part's own loss is told as "loss/tags" and so on, as in training; any other score that
        a part before it has as well as "tags_2/map".
        """
        return MultitaskMeter(self)

    @property
    def weights(self) -> Float32[Tensor, " parts"]:
        """What the parts' losses are multiplied by."""
        return torch.exp(-self.log_variances)

    def weighted(self, losses: Float32[Tensor, " parts"]) -> Float32[Tensor, ""]:
        """Return the sum of the parts' losses as they count now."""
        total = (self.weights * losses).sum()
        return total + self.log_variances.sum() / 2 if self.config.learn_weights else total


class MultitaskMeter(Meter[MultitaskTargets]):
    """What `MultitaskObjective.meter` promises."""

    def __init__(self, objective: MultitaskObjective) -> None:
        self._objective = objective
        self._meters = {name: part.meter() for name, part in objective.by_name().items()}

    def add(self, encoded: Encoded, targets: MultitaskTargets) -> None:
        """Take in a batch."""
        for meter, own in zip(self._meters.values(), targets, strict=True):
            meter.add(encoded, own)

    def result(self) -> dict[str, float]:
        """Return the scores over all batches."""
        scores = {name: meter.result() for name, meter in self._meters.items()}
        losses = torch.tensor([own["loss"] for own in scores.values()])
        total = float(self._objective.weighted(losses.to(self._objective.log_variances.device)))
        named = [
            {_part_loss_name(name, key): value for key, value in own.items()}
            for name, own in scores.items()
        ]
        return merge_scores({"loss": total}, dict(zip(scores, named, strict=True)))


def _part_loss_name(part: str, key: str) -> str:
    """Return the name of a part's loss as training has it, "loss/tags"; others stay as they are."""
    head, slash, rest = key.partition("/")
    return f"loss/{part}{slash}{rest}" if head == "loss" else key


def part_names(config: MultitaskConfig) -> tuple[str, ...]:
    """Return a name for each part: its kind, with a number from the second of a kind on."""
    kinds = [objective_name(part) for part in config.parts]
    places = [kinds[: place + 1].count(name) for place, name in enumerate(kinds)]
    return tuple(
        name if place == 1 else f"{name}_{place}" for name, place in zip(kinds, places, strict=True)
    )


def merge_scores(first: Mapping[str, V], parts: Mapping[str, Mapping[str, V]]) -> dict[str, V]:
    """Return all values by name, with the part before the name ("tags_2/map") where it is taken."""
    joined = dict(first)
    for part, values in parts.items():
        joined |= {f"{part}/{key}" if key in joined else key: v for key, v in values.items()}
    return joined


def objective_name(config: PartConfig) -> str:
    """Return what recipes call an objective, as it is written in logs: "tags_parallel"."""
    return str(config.__struct_config__.tag).replace("-", "_")
