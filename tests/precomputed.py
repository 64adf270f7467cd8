"""Features that were made elsewhere, to be probed as an encoder's own are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float32

from earmark.evaluate.base import Frames, FrozenEncoder
from earmark.records import Example

Vector = Float32[np.ndarray, " dim"]
FrameRows = Float32[np.ndarray, "frames dim"]


class Precomputed(FrozenEncoder):
    """An encoder known only by its vectors.

    Args:
        name: in scores.
        vectors: one of equal length for each clip id.
        frames: the rows of each clip id over time, of equal length, at least one a clip; without
            them a clip's vector is its only frame.
    """

    def __init__(
        self,
        name: str,
        vectors: Mapping[str, Vector],
        frames: Mapping[str, FrameRows] | None = None,
    ) -> None:
        self.name = name
        self.vectors = vectors
        self._frames = frames

    def pooled(self, examples: Sequence[Example]) -> Float32[np.ndarray, "clips dim"]:
        """Return the vectors of clips.

        Raises:
            ValueError: a clip has no vector.
        """
        self._check(examples, self.vectors, "vectors")
        return np.stack([self.vectors[example.id] for example in examples])

    def frames(self, examples: Sequence[Example]) -> Frames:
        """Return the frames of clips.

        Raises:
            ValueError: a clip has none.
        """
        if self._frames is None:
            pooled = self.pooled(examples)
            return Frames(pooled[:, None, :], np.ones((len(pooled), 1), dtype=bool))
        self._check(examples, self._frames, "frames")
        rows = [self._frames[example.id] for example in examples]
        lengths = np.array([len(row) for row in rows])
        mask = np.arange(lengths.max()) < lengths[:, None]
        values = np.zeros((*mask.shape, rows[0].shape[1]), np.float32)
        values[mask] = np.concatenate(rows)
        return Frames(values, mask)

    def _check(
        self, examples: Sequence[Example], known: Mapping[str, np.ndarray], what: str
    ) -> None:
        for example in examples:
            if example.id not in known:
                raise ValueError(
                    f"{self.name} has {what} of {len(known)} clips, none of them "
                    f"{example.id} ({example.name}). Compute it, or leave the clip out."
                )
