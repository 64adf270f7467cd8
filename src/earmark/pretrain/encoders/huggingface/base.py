"""What the families have in common: a model of `transformers`, its weights, and windows of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from earmark.config import ConfigError
from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.encoders.config import HuggingFaceConfig
from earmark.pretrain.encoders.log_mel import length_mask
from earmark.pretrain.huggingface import reason_of


class Tower(nn.Module, ABC):
    """An audio model with the front end that it was trained behind; the face of an `Encoder`."""

    sample_rate: int
    dim: int
    frame_rate: float

    @abstractmethod
    def features(
        self, wave: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch steps *bins"], Int[Tensor, " batch"]]:
        """Return what the model reads, and how many steps of each row are real."""

    @abstractmethod
    def forward_features(
        self, features: Float[Tensor, "batch steps *bins"], lengths: Int[Tensor, " batch"]
    ) -> Encoded:
        """Encode what `features` returned."""


def load_weights(kind: Any, model_config: Any, config: HuggingFaceConfig, part: str = "") -> Any:
    """Return the model `kind` with its weights, float32.

    Args:
        kind: the model class of `transformers`.
        model_config: its settings, possibly with fewer layers than the weights have.
        config: where the weights are.
        part: the prefix of the weights that are wanted; others may be missing.

    Raises:
        ConfigError: the weights cannot be had, or some that are wanted are not among them.
    """
    try:
        model, found = kind.from_pretrained(
            config.model,
            config=model_config,
            revision=config.revision,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, RuntimeError) as error:
        raise ConfigError(
            f"The weights of {config.model!r} cannot be had: {reason_of(error)}"
        ) from None
    lacking = sorted(name for name in found["missing_keys"] if name.startswith(part))
    if lacking:
        raise ConfigError(
            f"{config.model!r} lacks {len(lacking)} weights of a {kind.__name__}, such as "
            f"{lacking[0]}. Is it another model than its config.json says?"
        )
    return model


def depth_of(layer: int, layers: int) -> int:
    """Return how many blocks `layer` asks for: hidden state 0 is what enters the first.

    Raises:
        ConfigError: the model has no such layer.
    """
    depth = layer if layer >= 0 else layers + 1 + layer
    if not 0 <= depth <= layers:
        raise ConfigError(
            f"encoder.layer = {layer}, but the model has {layers} layers: give 0 to {layers}, or "
            f"-1 (the last) to -{layers + 1}."
        )
    return depth


@dataclass(frozen=True)
class Windows:
    """Rows cut into windows of one size, those without anything real left out.

    `features` are the windows, `counts` the real steps of each (at least one), and `heard` tells
    which windows of which row they are.
    """

    features: Float[Tensor, "windows size *bins"]
    counts: Int[Tensor, " windows"]
    heard: Bool[Tensor, "batch number"]


def cut(
    features: Float[Tensor, "batch steps *bins"], lengths: Int[Tensor, " batch"], size: int
) -> Windows:
    """Cut rows of at least one real step into windows of `size` steps, zeros behind the last."""
    number = max(1, -(-features.shape[1] // size))
    missing = number * size - features.shape[1]
    padding = features.new_zeros(features.shape[0], missing, *features.shape[2:])
    windows = torch.cat([features, padding], dim=1).unflatten(1, (number, size))
    starts = size * torch.arange(number, device=features.device)
    counts = (lengths.unsqueeze(1) - starts).clamp(min=0, max=size)
    heard = counts > 0
    return Windows(windows[heard], counts[heard], heard)


def joined(
    frames: Float[Tensor, "windows steps dim"],
    counts: Int[Tensor, " windows"],
    heard: Bool[Tensor, "batch number"],
) -> Encoded:
    """Put the frames of windows behind each other again; `counts` of each are real.

    All but the last window of a row have as many real frames as there are.
    """
    rows, number = heard.shape
    steps, dim = frames.shape[1:]
    canvas = frames.new_zeros(rows, number, steps, dim)
    mask = torch.zeros(rows, number, steps, dtype=torch.bool, device=frames.device)
    canvas[heard] = frames
    mask[heard] = length_mask(counts, steps)
    return Encoded(canvas.flatten(1, 2), mask.flatten(1, 2))
