"""Settings to modules: the one place that knows every encoder and every objective."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from earmark.pretrain.config import EncoderConfig, ObjectiveConfig
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.encoders.transformer import Transformer
from earmark.pretrain.objectives.base import Objective
from earmark.pretrain.objectives.tags import TagsObjective
from earmark.pretrain.randomness import derived_seed


def build_encoder(config: EncoderConfig, *, seed: int = 0) -> Encoder:
    """Return an encoder with fresh weights, drawn from `seed` alone.

    Raises:
        ConfigError: a setting is out of range.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "encoder"))
        return Transformer(config)


def build_objective(
    config: ObjectiveConfig,
    *,
    dim: int,
    vocabulary_size: int,
    frequencies: Float[np.ndarray, " tags"] | None = None,
    seed: int = 0,
) -> Objective[Any]:
    """Return an objective with fresh weights, drawn from `seed` alone.

    Args:
        config: which objective.
        dim: width of the encoder's frames.
        vocabulary_size: tags of the vocabulary.
        frequencies: share of the training clips that carry each tag, for a fast start.
        seed: of the weights.
    """
    del config  # one kind so far; its settings are empty
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "objective"))
        return TagsObjective(dim, vocabulary_size, frequencies)
