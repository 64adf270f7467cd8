"""The space that an encoder shares with texts, where its pre-training has made one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float32

from earmark.evaluate.base import Aligned
from earmark.pretrain.checkpoints.checkpoint import read_settings
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.objectives.config import ContrastiveConfig
from earmark.pretrain.supervision import parts_of
from earmark.pretrain.use.finding import find_checkpoint, model_type_of
from earmark.records import Example, span_of


@final
class ContrastiveSpace(Aligned):
    """The space of a contrastive objective; vectors of clips are kept, by clip id.

    Args:
        encoder: whose frames the objective was trained on.
        objective: a `ContrastiveObjective`.
    """

    def __init__(self, encoder: Encoder, objective: Any) -> None:
        self._encoder = encoder
        self._objective = objective
        self._vectors: dict[str, Float32[np.ndarray, " space"]] = {}

    def audio(self, examples: Sequence[Example]) -> Float32[np.ndarray, "clips space"]:
        """Return one unit vector a clip.

        Raises:
            AudioError: a clip cannot be read any more.
        """
        self._hear([example for example in examples if example.id not in self._vectors])
        vectors = [self._vectors[example.id] for example in examples]
        return np.array(vectors, np.float32).reshape(len(vectors), self._objective.config.dim)

    def texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "texts space"]:
        """Return one unit vector a text; long ones are cut as in pre-training."""
        return self._objective.embed_text(texts).numpy()

    def _hear(self, examples: Sequence[Example]) -> None:
        import torch

        for places, encoded in self._encoder.encode([span_of(example) for example in examples]):
            with torch.inference_mode():
                vectors = self._objective.embed_audio(encoded).cpu().numpy()
            for place, vector in zip(places, vectors, strict=True):
                self._vectors[examples[place].id] = vector


def aligned_of(checkpoint: Path, encoder: Encoder) -> Aligned | None:
    """Return the space in which a checkpoint was trained to hold clips and texts together.

    Args:
        checkpoint: as of `load_encoder`; None is returned for a published encoder, and for one
            whose objective, or each part of it, is not contrastive.
        encoder: the checkpoint's, in evaluation mode; the objective follows to its device.

    Raises:
        ConfigError: there is no checkpoint, or it cannot be read.
    """
    folder = find_checkpoint(checkpoint)
    if model_type_of(folder):
        return None
    parts = parts_of(read_settings(folder).objective)
    if not any(isinstance(part, ContrastiveConfig) for part in parts):
        return None
    from earmark.pretrain.use.loading import load_trained
    from earmark.pretrain.use.scoring import part_of

    device = next(iter([*encoder.parameters(), *encoder.buffers()])).device
    _, trained = load_trained(folder)
    objective = part_of(trained, ContrastiveConfig)
    assert objective is not None
    return ContrastiveSpace(encoder, objective.to(device).eval())
