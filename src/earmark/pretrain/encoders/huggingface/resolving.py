"""Which model is meant: its config.json and preprocessor_config.json, read from a hub or a folder.

Both are kept as JSON in the settings, so that the encoder is built again without either.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from earmark.config import ConfigError, nearest
from earmark.pretrain.encoders.config import HuggingFaceConfig
from earmark.pretrain.huggingface import reason_of

log = logging.getLogger("earmark")

SPECTROGRAM_TYPES = ("audio-spectrogram-transformer",)
WHISPER_TYPES = ("whisper",)
WAVE_TYPES = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")
CLAP_TYPES = ("clap", "clap_audio_model")
MODEL_TYPES = (*SPECTROGRAM_TYPES, *WHISPER_TYPES, *WAVE_TYPES, *CLAP_TYPES)
"""What config.json may call itself as its model_type."""


class Architecture(msgspec.Struct, frozen=True, kw_only=True):
    """config.json and preprocessor_config.json as they were read; the latter may be empty."""

    config: dict[str, Any]
    preprocessor: dict[str, Any]

    @property
    def model_type(self) -> str:
        """The family of the model, as `transformers` calls it."""
        return str(self.config.get("model_type", ""))


def resolve(config: HuggingFaceConfig) -> HuggingFaceConfig:
    """Return settings with `architecture` filled in.

    Raises:
        ConfigError: `transformers` is missing, the model cannot be had, or it is of a family that
            is not supported.
    """
    architecture = read_architecture(config.model, config.revision)
    text = msgspec.json.encode(architecture).decode()
    return msgspec.structs.replace(config, architecture=text)


def architecture_of(config: HuggingFaceConfig) -> Architecture:
    """Return what `resolve` found.

    Raises:
        ConfigError: it is not what `resolve` writes, or of a family that is not supported.
    """
    try:
        architecture = msgspec.json.decode(config.architecture, type=Architecture)
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"encoder.architecture is damaged: {error}. Leave it out: it is read from "
            f"{config.model!r} anew."
        ) from None
    check_type(architecture.model_type, config.model)
    return architecture


def read_architecture(model: str, revision: str | None) -> Architecture:
    """Read a model's two JSON files. Raises ConfigError as `resolve`."""
    found = _read_config(model, revision)
    check_type(str(found["model_type"]), model)
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
            f"encoder.model = {model!r} cannot be had: {reason_of(error)} Give a model hub's "
            "name that can be reached, or a folder with config.json and model.safetensors."
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


def check_type(model_type: str, model: str) -> None:
    """Raise a ConfigError unless there is a front end for models of this type."""
    if model_type not in MODEL_TYPES:
        raise ConfigError(
            f"encoder.model = {model!r} is of type {model_type!r}, which is no audio model that "
            f"earmark can feed.{nearest(model_type, MODEL_TYPES)} Supported are: "
            f"{', '.join(MODEL_TYPES)}."
        )
