"""The space that a contrastively pre-trained encoder shares with texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import msgspec
import numpy as np
from jaxtyping import Float32

from earmark.evaluate.array_cache import ArrayCache
from earmark.evaluate.base import JointSpace
from earmark.pretrain.checkpoint.folder import (
    find_checkpoint,
    read_checkpoint_config,
    read_model_type,
)
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.objectives.config import ContrastiveConfig
from earmark.pretrain.objectives.targets import objective_parts
from earmark.records import Example, audio_span

CLIPS_PER_BLOCK = 256
"""Clips heard between two writes to the cache, hence lost by a kill."""


@final
class ContrastiveSpace(JointSpace):
    """The space of a contrastive objective; vectors of clips are kept, by clip id.

    They are a cache as those of features are: a folder named by the weights of encoder and
    objective, shared by runs. The first pass is another one than that of features.

    Args:
        encoder: whose frames the objective was trained on.
        objective: a `ContrastiveObjective`.
        folder: where the cache's own folder is.
        settings: as of `encoder_fingerprint`, of the encoder and the objective.
    """

    def __init__(self, encoder: Encoder, objective: Any, folder: Path, *, settings: bytes) -> None:
        from earmark.evaluate.features import encoder_fingerprint, module_fingerprint

        self._encoder = encoder
        self._objective = objective
        heard = encoder_fingerprint(encoder, settings)
        self._vectors = ArrayCache(
            folder / f"shared-{module_fingerprint(objective, heard.encode())}", "shared"
        )

    def audio(self, examples: Sequence[Example]) -> Float32[np.ndarray, "clips space"]:
        """Return one unit vector a clip.

        Raises:
            AudioError: a clip cannot be read any more.
        """
        by_id = {example.id: example for example in examples}
        missing = [by_id[name] for name in self._vectors.find(by_id)]
        missing.sort(key=lambda example: (example.duration_s, example.id))
        for start in range(0, len(missing), CLIPS_PER_BLOCK):
            self._hear(missing[start : start + CLIPS_PER_BLOCK])
        nothing = np.zeros((0, self._objective.config.dim), np.float32)
        return np.concatenate([nothing, *(self._vectors[example.id] for example in examples)])

    def texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "texts space"]:
        """Return one unit vector a text; long ones are cut as in pre-training."""
        return self._objective.embed_text(texts).numpy()

    def _hear(self, examples: Sequence[Example]) -> None:
        import torch

        heard: dict[str, np.ndarray] = {}
        for places, encoded in self._encoder.encode([audio_span(example) for example in examples]):
            with torch.inference_mode():
                vectors = self._objective.embed_audio(encoded).cpu().numpy()
            for row, place in enumerate(places):
                heard[examples[place].id] = vectors[row : row + 1]
        self._vectors.add({example.id: heard[example.id] for example in examples})


def joint_space_of(checkpoint: Path, encoder: Encoder, cache: Path) -> JointSpace | None:
    """Return the space in which a checkpoint was trained to hold clips and texts together.

    Args:
        checkpoint: as of `load_encoder`; None is returned for a published encoder, and for one
            whose objective, or each part of it, is not contrastive.
        encoder: the checkpoint's, in evaluation mode; the objective follows to its device.
        cache: the folder that keeps what was encoded.

    Raises:
        ConfigError: there is no checkpoint, or it cannot be read.
    """
    folder = find_checkpoint(checkpoint)
    if read_model_type(folder):
        return None
    settings = read_checkpoint_config(folder)
    parts = objective_parts(settings.objective)
    if not any(isinstance(part, ContrastiveConfig) for part in parts):
        return None
    from earmark.pretrain.inference.load import load_trained_checkpoint
    from earmark.pretrain.inference.tagger import find_objective

    device = next(iter([*encoder.parameters(), *encoder.buffers()])).device
    _, trained = load_trained_checkpoint(folder)
    objective = find_objective(trained, ContrastiveConfig)
    assert objective is not None
    described = msgspec.json.encode((settings.encoder, objective.config))
    return ContrastiveSpace(encoder, objective.to(device).eval(), cache, settings=described)
