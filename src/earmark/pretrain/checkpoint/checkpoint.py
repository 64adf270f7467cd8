"""Save and load a checkpoint: a folder of safetensors and JSON, so that loading never runs code.

  model.safetensors      the encoder's weights
  objective.safetensors  the weights of what is thrown away after pre-training (heads, decoders)
  config.json            `CheckpointConfig`
  vocabulary.json        the lock file whose ids the objective was trained on
  materials.json         the classes that the objective was built from
  tokenizers/            the tokenizers of the objective's parts

A run's saved state is the same folder with optimizer.safetensors and training.json. A folder
appears whole or not at all, whenever a run is killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from earmark.annotate.vocabulary import Vocabulary
from earmark.config import ConfigError
from earmark.pretrain.build import build_encoder, build_objective
from earmark.pretrain.checkpoint.folder import (
    CHECKPOINT_FORMAT,
    CheckpointConfig,
    read_checkpoint_config,
    read_target_specs,
    write_target_specs,
)
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.encoders.config import EncoderConfig
from earmark.pretrain.objectives.base import Objective
from earmark.pretrain.objectives.config import ObjectiveConfig
from earmark.pretrain.objectives.targets import TargetSpecs


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Generator[Path]:
    """Give a temporary folder that takes the name `folder` once the block has ended well.

    Everything in it is on the disk before the name is taken, so a crash leaves no half of it. A
    folder that had the name goes; a crash just then leaves it as `folder`.old, for
    `recover_folder`.
    """
    recover_folder(folder)
    temporary, old = (folder.with_name(f"{folder.name}.{word}") for word in ("tmp", "old"))
    for leftover in (temporary, old):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir(parents=True)
    yield temporary
    for path in [*temporary.rglob("*"), temporary]:
        _fsync(path)
    if folder.exists():
        os.rename(folder, old)
    os.rename(temporary, folder)
    _fsync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Give a folder its name back that a crash left as `folder`.old, before the new one had it.

    For the process that writes `folder` alone: to another it may be about to be replaced.
    """
    old = folder.with_name(f"{folder.name}.old")
    if old.exists() and not folder.exists():
        os.rename(old, folder)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors; two names of the same memory are written twice."""
    written: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        whole = tensor.detach().cpu().contiguous()
        # safetensors refuses tied weights; a file that names both fits the module strictly.
        place = whole.untyped_storage().data_ptr()
        written[name] = whole.clone() if place in seen else whole
        seen.add(place)
    save_file(written, path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read named tensors onto the CPU.

    Raises:
        ConfigError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except FileNotFoundError:
        raise ConfigError(
            f"{path.parent} is not a whole checkpoint: no {path.name}. "
            "Copy the checkpoint again from where it came, all files of it."
        ) from None
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"{path} cannot be read as safetensors: {error}. It is damaged: copy the "
            "checkpoint again from where it came, or take another of its run."
        ) from None


def load_weights(module: nn.Module, path: Path) -> None:
    """Give a module the weights of a file: all of them, and no others.

    Raises:
        ConfigError: a name or a shape does not agree; the message says which.
    """
    given, wanted = read_tensors(path), module.state_dict()
    problems = [f"{name} is missing" for name in wanted if name not in given]
    problems += [f"{name} belongs to nothing" for name in given if name not in wanted]
    problems += [
        f"{name} is {tuple(given[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in given and given[name].shape != wanted[name].shape
    ]
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise ConfigError(
            f"{path} does not fit a {type(module).__name__}: {'; '.join(problems[:3])}{more}. "
            "Its config.json describes another model: keep both files of one run together."
        )
    module.load_state_dict(given, strict=True)


@dataclass(frozen=True)
class Checkpoint:
    """An encoder with what it was trained under; `step` counts the optimizer steps taken."""

    encoder: Encoder
    objective: Objective[Any]
    vocabulary: Vocabulary
    materials: TargetSpecs
    encoder_config: EncoderConfig
    objective_config: ObjectiveConfig
    step: int

    def settings(self) -> CheckpointConfig:
        """Return what config.json says of it."""
        return CheckpointConfig(
            format=CHECKPOINT_FORMAT,
            earmark=metadata.version("earmark"),
            step=self.step,
            sample_rate=self.encoder.sample_rate,
            vocabulary=self.vocabulary.fingerprint,
            encoder=self.encoder_config,
            objective=self.objective_config,
        )


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write a checkpoint; `folder` appears whole or not at all, and must not be there yet."""
    with atomic_folder(folder) as temporary:
        write_checkpoint(checkpoint, temporary)


def write_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write a checkpoint's files into a folder that is there."""
    write_tensors(folder / "model.safetensors", checkpoint.encoder.state_dict())
    write_tensors(folder / "objective.safetensors", checkpoint.objective.state_dict())
    encoded = msgspec.json.encode(checkpoint.settings())
    (folder / "config.json").write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")
    checkpoint.vocabulary.save(folder / "vocabulary.json")
    write_target_specs(checkpoint.materials, folder)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint, on the CPU, in evaluation mode.

    Raises:
        ConfigError: a file is missing, damaged or of another version; a weight is missing, left
            over or of another shape; or the vocabulary is not the one that was trained on.
    """
    settings = read_checkpoint_config(folder)
    vocabulary = Vocabulary.load(folder / "vocabulary.json")
    if vocabulary.fingerprint != settings.vocabulary:
        raise ConfigError(
            f"{folder} was trained on vocabulary {settings.vocabulary}, but its vocabulary.json is "
            f"{vocabulary.fingerprint}: its tags would be named wrongly. Put the right lock file "
            "back; that of another run cannot stand in."
        )
    materials = read_target_specs(folder)
    encoder = build_encoder(settings.encoder, pretrained=False)
    objective = build_objective(settings.objective, materials, dim=encoder.dim, pretrained=False)
    load_weights(encoder, folder / "model.safetensors")
    load_weights(objective, folder / "objective.safetensors")
    return Checkpoint(
        encoder.eval(),
        objective.eval(),
        vocabulary,
        materials,
        settings.encoder,
        settings.objective,
        settings.step,
    )
