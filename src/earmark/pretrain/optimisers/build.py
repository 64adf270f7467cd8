"""Settings to an optimiser."""

from __future__ import annotations

from torch import nn

from earmark.pretrain.config import AdamWConfig, PretrainConfig
from earmark.pretrain.optim.optimizers import ScaledAdam
from earmark.pretrain.optimisers.adamw import AdamW
from earmark.pretrain.optimisers.base import Optimiser, named_parameters


def build_optimiser(encoder: nn.Module, objective: nn.Module, config: PretrainConfig) -> Optimiser:
    """Return the optimiser that `config.optimiser` describes."""
    named = named_parameters(encoder, objective)
    if isinstance(config.optimiser, AdamWConfig):
        return AdamW(named, config.optimiser, steps=config.steps)
    return ScaledAdam(named, config.optimiser)
