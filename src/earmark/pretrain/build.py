"""Settings to modules: the one place that knows every encoder and every objective."""

from __future__ import annotations

from typing import Any

import torch

from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.encoders.config import (
    EncoderConfig,
    HuggingFaceConfig,
    TransformerConfig,
    ZipformerConfig,
)
from earmark.pretrain.objectives.base import Objective
from earmark.pretrain.objectives.config import (
    CaptioningConfig,
    ContrastiveConfig,
    MultitaskConfig,
    ObjectiveConfig,
    PartConfig,
    TagsConfig,
    TagsParallelConfig,
)
from earmark.pretrain.objectives.targets import TargetSpec, TargetSpecs
from earmark.pretrain.seeds import derive_seed


def resolve_encoder_config(config: EncoderConfig) -> EncoderConfig:
    """Return settings that an encoder can be built from without a model hub.

    Raises:
        ConfigError: the model that is named cannot be had.
    """
    if isinstance(config, HuggingFaceConfig) and not config.architecture:
        from earmark.pretrain.encoders.huggingface import resolve_architecture

        return resolve_architecture(config)
    return config


def build_encoder(config: EncoderConfig, *, seed: int = 0, pretrained: bool = True) -> Encoder:
    """Return an encoder with fresh weights, drawn from `seed` alone.

    Args:
        config: which encoder.
        seed: of the weights.
        pretrained: whether weights that the settings name are taken over; a checkpoint, which
            brings its own, goes without.

    Raises:
        ConfigError: a setting is out of range, or the weights that are named cannot be had.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "encoder"))
        match config:
            case TransformerConfig():
                from earmark.pretrain.encoders.transformer import Transformer

                return Transformer(config)
            case ZipformerConfig():
                from earmark.pretrain.encoders.zipformer.encoder import Zipformer

                return Zipformer(config)
            case HuggingFaceConfig():
                from earmark.pretrain.encoders.huggingface import (
                    HuggingFaceEncoder,
                    resolve_architecture,
                )

                full = config if config.architecture else resolve_architecture(config)
                return HuggingFaceEncoder(full, pretrained=pretrained and full.pretrained)


def build_objective(
    config: ObjectiveConfig,
    materials: TargetSpecs,
    *,
    dim: int,
    seed: int = 0,
    pretrained: bool = True,
) -> Objective[Any]:
    """Return an objective with fresh weights, drawn from `seed` alone.

    Args:
        config: which objective.
        materials: collected from the train split by `collect_target_specs`.
        dim: width of the encoder's frames.
        seed: of the weights.
        pretrained: whether text models that the settings name bring their weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "objective"))
        if not isinstance(config, MultitaskConfig):
            return _build_single_objective(config, materials.parts[0], dim, pretrained)
        from earmark.pretrain.objectives.multitask import MultitaskObjective

        parts = [
            _build_single_objective(part, material, dim, pretrained)
            for part, material in zip(config.parts, materials.parts, strict=True)
        ]
        return MultitaskObjective(config, parts)


def _build_single_objective(
    config: PartConfig, materials: TargetSpec, dim: int, pretrained: bool
) -> Objective[Any]:
    match config:
        case TagsConfig():
            from earmark.pretrain.objectives.tags import TagsObjective

            assert materials.classes is not None
            return TagsObjective(config, dim, materials.classes)
        case TagsParallelConfig():
            from earmark.pretrain.objectives.tags_parallel import TagsParallelObjective

            assert materials.words is not None
            assert materials.classes is not None
            return TagsParallelObjective(
                config, dim, materials.words, materials.classes, pretrained=pretrained
            )
        case ContrastiveConfig():
            from earmark.pretrain.objectives.contrastive import ContrastiveObjective

            assert materials.words is not None
            return ContrastiveObjective(config, dim, materials.words, pretrained=pretrained)
        case CaptioningConfig():
            from earmark.pretrain.objectives.captioning import CaptioningObjective

            assert materials.words is not None
            return CaptioningObjective(config, dim, materials.words, pretrained=pretrained)
