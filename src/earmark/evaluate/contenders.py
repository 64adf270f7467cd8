"""The encoders that a task compares: the trained one, and the two that it has to beat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from earmark.pretrain.build import build_encoder
from earmark.pretrain.checkpoints.checkpoint import read_settings
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.encoders.statistics import LogMelStatistics
from earmark.pretrain.use.loading import load_encoder


@dataclass(frozen=True)
class Contender:
    """An encoder to be: `build(checkpoint, seed)` gives it, and its settings as JSON.

    The settings are all that decides, beside class and weights, what the encoder computes.
    """

    name: str
    build: Callable[[Path, int], tuple[Encoder, bytes]]


def trained(checkpoint: Path, seed: int) -> tuple[Encoder, bytes]:
    """Return the encoder of a checkpoint; it does not depend on the seed."""
    del seed
    return load_encoder(checkpoint), msgspec.json.encode(read_settings(checkpoint).encoder)


def fresh(checkpoint: Path, seed: int) -> tuple[Encoder, bytes]:
    """Return the checkpoint's architecture with weights drawn from `seed`.

    With the seed of pre-training these are the weights that it began with.
    """
    settings = read_settings(checkpoint).encoder
    return build_encoder(settings, seed=seed), msgspec.json.encode(settings)


def log_mel(checkpoint: Path, seed: int) -> tuple[Encoder, bytes]:
    """Return log-mel means and deviations over time, at the checkpoint's sample rate."""
    del seed
    sample_rate = read_settings(checkpoint).sample_rate
    encoder = LogMelStatistics(sample_rate)
    return encoder, msgspec.json.encode({"sample_rate": sample_rate, "dim": encoder.dim})


CONTENDERS = (
    Contender("trained", trained),
    Contender("random", fresh),
    Contender("log-mel", log_mel),
)
"""Every other one is compared with the first."""
