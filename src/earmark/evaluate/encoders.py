"""The encoders that are compared: the trained one, its baselines, others of the recipe."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from earmark.config import import_target
from earmark.evaluate.config import CheckpointChoice, EncoderChoice, EvaluateConfig, ExternalChoice
from earmark.evaluate.fingerprints import source_code_digest
from earmark.io import hash_file
from earmark.pretrain.build import build_encoder, resolve_encoder_config
from earmark.pretrain.checkpoint.folder import (
    find_checkpoint,
    read_checkpoint_config,
    read_model_type,
)
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.encoders.config import HuggingFaceConfig
from earmark.pretrain.encoders.log_mel_stats import LogMelStatistics
from earmark.pretrain.inference.load import load_encoder


@dataclass(frozen=True)
class LoadedEncoder:
    """An encoder with its settings as JSON: all that decides, beside class and weights, what it
    computes. `folder` is the checkpoint that it is of, where there is one.
    """

    encoder: Encoder
    settings: bytes
    folder: Path | None = None


@dataclass(frozen=True)
class EncoderEntry:
    """An encoder to be: `build(checkpoint, seed)` gives it."""

    name: str
    build: Callable[[Path, int], LoadedEncoder]


def encoders_to_compare(config: EvaluateConfig) -> tuple[EncoderEntry, ...]:
    """Return what is compared: the trained encoder, which each other one is held against, first."""
    baselines = {"random": random_init, "log-mel": log_mel_statistics}
    return (
        EncoderEntry("trained", from_checkpoint),
        *(EncoderEntry(name, baselines[name]) for name in config.baselines),
        *(
            EncoderEntry(name, partial(_from_choice, choice))
            for name, choice in config.encoders.items()
        ),
    )


def from_checkpoint(checkpoint: Path, seed: int) -> LoadedEncoder:
    """Return the encoder of a checkpoint; it does not depend on the seed."""
    del seed
    return _load_checkpoint(checkpoint)


def random_init(checkpoint: Path, seed: int) -> LoadedEncoder:
    """Return the checkpoint's architecture with weights drawn from `seed`.

    With the seed of pre-training these are the weights that it began with.
    """
    settings = read_checkpoint_config(checkpoint).encoder
    return LoadedEncoder(build_encoder(settings, seed=seed), msgspec.json.encode(settings))


def log_mel_statistics(checkpoint: Path, seed: int) -> LoadedEncoder:
    """Return log-mel means and deviations over time, at the checkpoint's sample rate."""
    del seed
    sample_rate = read_checkpoint_config(checkpoint).sample_rate
    encoder = LogMelStatistics(sample_rate)
    settings: Mapping[str, int] = {"sample_rate": sample_rate, "dim": encoder.dim}
    return LoadedEncoder(encoder, msgspec.json.encode(settings))


def _from_choice(choice: EncoderChoice, checkpoint: Path, seed: int) -> LoadedEncoder:
    """Return an encoder that the recipe names. Raises ConfigError: it cannot be had."""
    del checkpoint
    match choice:
        case HuggingFaceConfig():
            settings = resolve_encoder_config(choice)
            return LoadedEncoder(build_encoder(settings, seed=seed), msgspec.json.encode(settings))
        case CheckpointChoice():
            return _load_checkpoint(Path(choice.path))
        case ExternalChoice():
            make: Any = import_target(choice.target, Encoder)
            return LoadedEncoder(
                make(), f"{choice.target} {_source_digests(make, choice.target)}".encode()
            )


def _source_digests(kind: type[Encoder], target: str) -> str:
    """Return digests of the file that a class is written in, and of what its target names.

    Edited code is another encoder: its features are made anew. What these files import is not
    looked at.
    """
    named = source_code_digest(target)
    try:
        written = inspect.getsourcefile(kind)
    except TypeError:  # its module was made in memory
        written = None
    return f"{named} {hash_file(written)}" if written and Path(written).is_file() else named


def _load_checkpoint(path: Path) -> LoadedEncoder:
    folder = find_checkpoint(path)
    encoder = load_encoder(folder)
    if read_model_type(folder):
        return LoadedEncoder(encoder, (folder / "config.json").read_bytes(), folder)
    return LoadedEncoder(
        encoder, msgspec.json.encode(read_checkpoint_config(folder).encoder), folder
    )
