"""Features that were made elsewhere, to be probed as an encoder's own are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float32

from earmark.evaluate.base import FrozenEncoder
from earmark.records import Example


class Precomputed(FrozenEncoder):
    """An encoder known only by its vectors.

    Args:
        name: in scores.
        vectors: one of equal length for each clip id.
    """

    def __init__(self, name: str, vectors: Mapping[str, Float32[np.ndarray, " dim"]]) -> None:
        self.name = name
        self.vectors = vectors

    def pooled(self, examples: Sequence[Example]) -> Float32[np.ndarray, "clips dim"]:
        """Return the vectors of clips.

        Raises:
            ValueError: a clip has no vector.
        """
        for example in examples:
            if example.id not in self.vectors:
                raise ValueError(
                    f"{self.name} has vectors of {len(self.vectors)} clips, none of them "
                    f"{example.id} ({example.name}). Compute it, or leave the clip out."
                )
        return np.stack([self.vectors[example.id] for example in examples])
