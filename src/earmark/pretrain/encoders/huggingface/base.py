"""What the audio models of `transformers` have in common.

First the model's config.json and preprocessor_config.json, read from a hub or a folder and kept as
JSON in the settings, so that the encoder is built again without either. Then the base class, the
weights, and the windows that models with a fixed input length need.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import msgspec
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from earmark.config import ConfigError, suggest
from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.encoders.config import HuggingFaceConfig
from earmark.pretrain.encoders.log_mel import length_mask
from earmark.pretrain.huggingface import load_failure_reason

log = logging.getLogger("earmark")

AST_TYPES = ("audio-spectrogram-transformer",)

WHISPER_TYPES = ("whisper",)

WAVEFORM_TYPES = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")

CLAP_TYPES = ("clap", "clap_audio_model")

MODEL_TYPES = (*AST_TYPES, *WHISPER_TYPES, *WAVEFORM_TYPES, *CLAP_TYPES)
"""What config.json may call itself as its model_type."""


class Architecture(msgspec.Struct, frozen=True, kw_only=True):
    """config.json and preprocessor_config.json as they were read; the latter may be empty."""

    config: dict[str, Any]
    preprocessor: dict[str, Any]

    @property
    def model_type(self) -> str:
        """The family of the model, as `transformers` calls it."""
        return str(self.config.get("model_type", ""))


def resolve_architecture(config: HuggingFaceConfig) -> HuggingFaceConfig:
    """Return settings with `architecture` filled in.

    Raises:
        ConfigError: `transformers` is missing, the model cannot be had, or it is of a family that
            is not supported.
    """
    architecture = read_architecture(config.model, config.revision)
    text = msgspec.json.encode(architecture).decode()
    return msgspec.structs.replace(config, architecture=text)


def parse_architecture(config: HuggingFaceConfig) -> Architecture:
    """Return what `resolve_architecture` found.

    Raises:
        ConfigError: it is not what `resolve_architecture` writes, or its family is not supported.
    """
    try:
        architecture = msgspec.json.decode(config.architecture, type=Architecture)
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"encoder.architecture is damaged: {error}. Leave it out: it is read from "
            f"{config.model!r} anew."
        ) from None
    check_model_type(architecture.model_type, config.model)
    return architecture


def read_architecture(model: str, revision: str | None) -> Architecture:
    """Read a model's two JSON files. Raises ConfigError as `resolve_architecture`."""
    found = _read_config(model, revision)
    check_model_type(str(found["model_type"]), model)
    return Architecture(config=found, preprocessor=_read_preprocessor(model, revision))


def _read_config(model: str, revision: str | None) -> dict[str, Any]:
    try:
        from transformers import PretrainedConfig
    except ImportError:
        raise ConfigError(
            "encoder.kind = 'huggingface' needs transformers: pip install 'earmark[transformers]'"
        ) from None
    try:
        found, _ = PretrainedConfig.get_config_dict(model, revision=revision)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"encoder.model = {model!r} cannot be had: {load_failure_reason(error)} Give a model "
            "hub's name that can be reached, or a folder with config.json and model.safetensors."
        ) from None
    if "model_type" not in found:
        raise ConfigError(
            f"encoder.model = {model!r} cannot be had: it holds no config.json that names a "
            "model_type. Give a model hub's name, or a folder that save_pretrained wrote."
        )
    return found


def _read_preprocessor(model: str, revision: str | None) -> dict[str, Any]:
    from transformers.feature_extraction_utils import FeatureExtractionMixin

    try:
        preprocessor, _ = FeatureExtractionMixin.get_feature_extractor_dict(
            model, revision=revision
        )
    except (OSError, ValueError):
        log.warning(
            "%s has no preprocessor_config.json: its family's usual front end is taken. Where it "
            "was trained with another, save its feature extractor beside it.",
            model,
        )
        return {}
    return preprocessor


def check_model_type(model_type: str, model: str) -> None:
    """Raise a ConfigError unless there is a front end for models of this type."""
    if model_type not in MODEL_TYPES:
        raise ConfigError(
            f"encoder.model = {model!r} is of type {model_type!r}, which is no audio model that "
            f"earmark can feed.{suggest(model_type, MODEL_TYPES)} Supported are: "
            f"{', '.join(MODEL_TYPES)}."
        )


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


def load_pretrained(kind: Any, model_config: Any, config: HuggingFaceConfig, part: str = "") -> Any:
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
            f"The weights of {config.model!r} cannot be had: {load_failure_reason(error)}"
        ) from None
    lacking = sorted(name for name in found["missing_keys"] if name.startswith(part))
    if lacking:
        raise ConfigError(
            f"{config.model!r} lacks {len(lacking)} weights of a {kind.__name__}, such as "
            f"{lacking[0]}. Is it another model than its config.json says?"
        )
    return model


def resolve_depth(layer: int, layers: int) -> int:
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

    `features` are the windows, `counts` the real steps of each (at least one), and `has_audio`
    says which windows of which row they are.
    """

    features: Float[Tensor, "windows size *bins"]
    counts: Int[Tensor, " windows"]
    has_audio: Bool[Tensor, "batch number"]


def cut_windows(
    features: Float[Tensor, "batch steps *bins"], lengths: Int[Tensor, " batch"], size: int
) -> Windows:
    """Cut rows of at least one real step into windows of `size` steps, zeros behind the last."""
    number = max(1, -(-features.shape[1] // size))
    missing = number * size - features.shape[1]
    padding = features.new_zeros(features.shape[0], missing, *features.shape[2:])
    windows = torch.cat([features, padding], dim=1).unflatten(1, (number, size))
    starts = size * torch.arange(number, device=features.device)
    counts = (lengths.unsqueeze(1) - starts).clamp(min=0, max=size)
    has_audio = counts > 0
    return Windows(windows[has_audio], counts[has_audio], has_audio)


def join_windows(
    frames: Float[Tensor, "windows steps dim"],
    counts: Int[Tensor, " windows"],
    has_audio: Bool[Tensor, "batch number"],
) -> Encoded:
    """Put the frames of windows behind each other again; `counts` of each are real.

    All but the last window of a row have as many real frames as there are.
    """
    rows, number = has_audio.shape
    steps, dim = frames.shape[1:]
    canvas = frames.new_zeros(rows, number, steps, dim)
    mask = torch.zeros(rows, number, steps, dtype=torch.bool, device=frames.device)
    canvas[has_audio] = frames
    mask[has_audio] = length_mask(counts, steps)
    return Encoded(canvas.flatten(1, 2), mask.flatten(1, 2))
