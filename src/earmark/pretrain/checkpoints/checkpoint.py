"""A checkpoint: a folder of safetensors and JSON, so that loading never runs code.

  model.safetensors      the encoder's weights
  objective.safetensors  the weights of what is thrown away after pre-training (heads, decoders)
  config.json            `Settings`
  vocabulary.json        the lock file whose ids the objective was trained on
  materials.json         the classes that the objective was built from
  tokenizers/            the word pieces that it reads or writes

The state of a run that goes on is the same folder with optimiser.safetensors and training.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from earmark.annotate.vocabulary import Vocabulary
from earmark.config import ConfigError
from earmark.pretrain.build import build_encoder, build_objective
from earmark.pretrain.checkpoint.folder import read_materials, write_materials
from earmark.pretrain.checkpoints.folders import appearing
from earmark.pretrain.checkpoints.tensors import fill, write_tensors
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.encoders.config import EncoderConfig
from earmark.pretrain.objectives.base import Objective
from earmark.pretrain.objectives.config import ObjectiveConfig
from earmark.pretrain.supervision import Materials

FORMAT = 2


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What config.json says: how to build the modules, and what they were trained for.

    `step` counts the optimiser steps taken, `vocabulary` is a fingerprint, `earmark` the version
    that wrote the folder, `format` the version of this layout.
    """

    format: int
    earmark: str
    step: int
    sample_rate: int
    vocabulary: str
    encoder: EncoderConfig
    objective: ObjectiveConfig


@dataclass(frozen=True)
class Checkpoint:
    """An encoder with what it was trained under; `step` counts the optimiser steps taken."""

    encoder: Encoder
    objective: Objective[Any]
    vocabulary: Vocabulary
    materials: Materials
    encoder_config: EncoderConfig
    objective_config: ObjectiveConfig
    step: int

    def settings(self) -> Settings:
        """Return what config.json says of it."""
        return Settings(
            format=FORMAT,
            earmark=metadata.version("earmark"),
            step=self.step,
            sample_rate=self.encoder.sample_rate,
            vocabulary=self.vocabulary.fingerprint,
            encoder=self.encoder_config,
            objective=self.objective_config,
        )


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write a checkpoint; `folder` appears whole or not at all, and must not be there yet."""
    with appearing(folder) as temporary:
        write_checkpoint(checkpoint, temporary)


def write_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write a checkpoint's files into a folder that is there."""
    write_tensors(folder / "model.safetensors", checkpoint.encoder.state_dict())
    write_tensors(folder / "objective.safetensors", checkpoint.objective.state_dict())
    encoded = msgspec.json.encode(checkpoint.settings())
    (folder / "config.json").write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")
    checkpoint.vocabulary.save(folder / "vocabulary.json")
    write_materials(checkpoint.materials, folder)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint, on the CPU, in evaluation mode.

    Raises:
        ConfigError: a file is missing, damaged or of another version; a weight is missing, left
            over or of another shape; or the vocabulary is not the one that was trained on.
    """
    settings = read_settings(folder)
    vocabulary = Vocabulary.load(folder / "vocabulary.json")
    if vocabulary.fingerprint != settings.vocabulary:
        raise ConfigError(
            f"{folder} was trained on vocabulary {settings.vocabulary}, but its vocabulary.json is "
            f"{vocabulary.fingerprint}: its tags would be named wrongly. Put the right lock file "
            "back; that of another run cannot stand in."
        )
    materials = read_materials(folder)
    encoder = build_encoder(settings.encoder, pretrained=False)
    objective = build_objective(settings.objective, materials, dim=encoder.dim, pretrained=False)
    fill(encoder, folder / "model.safetensors")
    fill(objective, folder / "objective.safetensors")
    return Checkpoint(
        encoder.eval(),
        objective.eval(),
        vocabulary,
        materials,
        settings.encoder,
        settings.objective,
        settings.step,
    )


def read_settings(folder: Path) -> Settings:
    """Read config.json.

    Raises:
        ConfigError: there is none, or this version of earmark cannot read it.
    """
    path = folder / "config.json"
    try:
        plain = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{folder} is not a checkpoint: {path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path} is damaged: {error}") from None
    written = plain.get("format") if isinstance(plain, dict) else None
    if written != FORMAT:
        raise ConfigError(
            f"{path} has format {written!r}; this version of earmark reads {FORMAT}. "
            "Load it with the version of earmark that wrote it."
        )
    try:
        return msgspec.convert(plain, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path} does not describe a checkpoint: {error}") from None
