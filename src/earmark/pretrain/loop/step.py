"""One batch to one loss: what every process computes, and what is joined over them."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from earmark.pretrain.encoders.base import Augment, Encoder
from earmark.pretrain.objectives.base import Loss, Objective


class TrainingStep(nn.Module):
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
        augment: Augment,
        targets: Any,
    ) -> Loss:
        """Return the loss of a batch, a mean over its `weight` items."""
        features, counts = self.encoder.prepared(wave, lengths, augment)
        return self.objective(self._network(features, counts), targets)
