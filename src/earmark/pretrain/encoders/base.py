"""The contract of an encoder: waves in, frames out, its own feature front end inside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


@dataclass(frozen=True)
class Encoded:
    """What an encoder gives: `frames`, and a `mask` that is True where a frame is real."""

    frames: Float[Tensor, "batch frames dim"]
    mask: Bool[Tensor, "batch frames"]

    def pooled(self) -> Float[Tensor, "batch dim"]:
        """Return the mean over each clip's real frames."""
        weights = self.mask.unsqueeze(-1).to(self.frames.dtype)
        return (self.frames * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


class Encoder(nn.Module, ABC):
    """Turns waves into frames. Padding changes nothing: a clip alone and in a batch agree.

    `sample_rate` in Hz is what it listens to, `dim` the width of a frame, `frame_rate` frames a
    second.
    """

    sample_rate: int
    dim: int
    frame_rate: float

    @abstractmethod
    def forward(
        self, wave: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> Encoded:
        """Encode waves in [-1, 1]; `lengths` are the real samples of each row."""
