"""Texts as numbers: rows of word pieces, padded."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

MISSING = "Objectives that read or write text need more packages: pip install 'earmark[text]'"


@dataclass(frozen=True)
class Tokens:
    """Word pieces of a batch of texts, "<s> ... </s>", and a `mask` that is True where one is."""

    ids: Int64[Tensor, "batch tokens"]
    mask: Bool[Tensor, "batch tokens"]

    def to(self, device: torch.device) -> Tokens:
        """Return the same on another device."""
        return Tokens(
            self.ids.to(device, non_blocking=True), self.mask.to(device, non_blocking=True)
        )
