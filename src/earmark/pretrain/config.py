"""The settings of pre-training, free of torch.

They live apart from the modules that they build, so that a whole recipe is checked, on a machine
that has no torch or before the first clip is captioned, in a fraction of a second.
"""

from __future__ import annotations

from typing import Literal

from earmark.config import Config, ConfigError


def at_least(name: str, value: int | float, least: int | float) -> None:
    """Raise a ConfigError where `value` is below `least`."""
    if not value >= least:
        raise ConfigError(f"{name} = {value!r} should be at least {least!r}.")


def above_zero(name: str, value: int | float) -> None:
    """Raise a ConfigError where `value` is not a positive number."""
    if not value > 0:
        raise ConfigError(f"{name} = {value!r} should be above zero.")


def within(name: str, value: int | float, low: float, high: float) -> None:
    """Raise a ConfigError where `value` is not from `low` to `high`."""
    if not low <= value <= high:
        raise ConfigError(f"{name} = {value!r} should be from {low!r} to {high!r}.")


class TransformerConfig(Config, frozen=True, kw_only=True, tag="transformer", tag_field="kind"):
    """A plain pre-norm transformer on log-mel frames (about 5M parameters as it stands).

    Args:
        sample_rate: what it listens to, Hz.
        mel_bins: log-mel channels.
        dim: width of a frame.
        layers: transformer blocks.
        heads: attention heads a block; divides `dim`.
        stem_channels: of the convolutions before the blocks; each halves the 100 Hz frame rate.
        dropout: behind attention and feed-forward, 0 to 1.
    """

    sample_rate: int = 16000
    mel_bins: int = 80
    dim: int = 256
    layers: int = 6
    heads: int = 4
    stem_channels: tuple[int, ...] = (16, 32, 64, 128)
    dropout: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what no encoder can be built from.

        Raises:
            ConfigError: a value is out of range, or `heads` does not divide `dim`.
        """
        for name in ("sample_rate", "mel_bins", "dim", "heads"):
            at_least(f"encoder.{name}", getattr(self, name), 1)
        at_least("encoder.layers", self.layers, 0)
        within("encoder.dropout", self.dropout, 0.0, 1.0)
        if self.dim % self.heads:
            fitting = [heads for heads in range(1, self.dim + 1) if self.dim % heads == 0]
            closest = min(fitting, key=lambda heads: abs(heads - self.heads))
            raise ConfigError(
                f"encoder.heads = {self.heads} does not divide encoder.dim = {self.dim}; the "
                f"nearest number that does is {closest}."
            )
        if not self.stem_channels or min(self.stem_channels) < 1:
            raise ConfigError(
                f"encoder.stem_channels = {list(self.stem_channels)}: give the channels of one or "
                "more convolutions, such as [16, 32, 64, 128]."
            )


class TagsConfig(Config, frozen=True, kw_only=True, tag="tags", tag_field="kind"):
    """Multi-tag classification: BCE over the vocabulary on mean-pooled frames (PAPER section 2)."""


class SpecAugmentConfig(Config, frozen=True, kw_only=True):
    """Spans of time and of mel bins that training hides, without time warp.

    Light as it stands, for runs of minutes. The paper's masks, for runs of days (section 3), are
    probability 0.9, time_masks 10, time_width 100, mel_masks 2, mel_width 27.

    Args:
        probability: share of the clips that are masked at all; 0 switches masking off.
        time_masks: spans of time in a clip.
        time_width: widest span, log-mel frames of 10 ms.
        time_share: of a clip, the most that time masks together may hide.
        mel_masks: spans of mel bins in a clip.
        mel_width: widest span, bins.
    """

    probability: float = 0.5
    time_masks: int = 2
    time_width: int = 30
    time_share: float = 0.15
    mel_masks: int = 1
    mel_width: int = 12

    def __post_init__(self) -> None:
        """Refuse shares and counts out of range.

        Raises:
            ConfigError: naming the key, the value and the range.
        """
        within("spec_augment.probability", self.probability, 0.0, 1.0)
        within("spec_augment.time_share", self.time_share, 0.0, 1.0)
        for name in ("time_masks", "time_width", "mel_masks", "mel_width"):
            at_least(f"spec_augment.{name}", getattr(self, name), 0)


class PretrainConfig(Config, frozen=True, kw_only=True):
    """The training loop.

    Args:
        steps: optimiser steps.
        batch_s: seconds of audio in a batch, padding included.
        max_clip_s: longer clips are cropped to this, at a place drawn from (seed, step, clip).
        lr: peak learning rate of AdamW for the encoder.
        objective_lr: the same for what is thrown away afterwards. Higher, because a head that
            starts from nothing has farther to go than an encoder whose random weights are already
            of use, and which steps as large would scramble.
        warmup_steps: linear warm-up; a cosine to zero follows.
        weight_decay: on matrices only.
        clip_norm: gradient norm ceiling.
        spec_augment: what training hides of the features.
        log_every: steps between rows of log.jsonl.
        checkpoint_every: steps between checkpoints that a killed run goes on from.
        validate_every: steps between validation passes.
        workers: loader threads; 0 loads between the steps.
        precision: "auto" is bfloat16 on an accelerator that has it, else float32.
        device: "auto" takes an accelerator where there is one, else "cpu", "cuda", "cuda:1", "mps".
    """

    steps: int = 600
    batch_s: float = 60.0
    max_clip_s: float = 10.0
    lr: float = 3e-4
    objective_lr: float = 2e-3
    warmup_steps: int = 50
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    spec_augment: SpecAugmentConfig = SpecAugmentConfig()
    log_every: int = 5
    checkpoint_every: int = 100
    validate_every: int = 100
    workers: int = 1
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse numbers that no run can be made of.

        Raises:
            ConfigError: naming the key, the value and the range.
        """
        for name in ("steps", "log_every", "checkpoint_every", "validate_every"):
            at_least(f"pretrain.{name}", getattr(self, name), 1)
        for name in ("warmup_steps", "weight_decay", "workers"):
            at_least(f"pretrain.{name}", getattr(self, name), 0)
        for name in ("batch_s", "max_clip_s", "lr", "objective_lr", "clip_norm"):
            above_zero(f"pretrain.{name}", getattr(self, name))
        if self.batch_s < self.max_clip_s:
            raise ConfigError(
                f"pretrain.batch_s = {self.batch_s:g} cannot hold a clip of max_clip_s = "
                f"{self.max_clip_s:g} s; raise the first or lower the second."
            )


EncoderConfig = TransformerConfig
ObjectiveConfig = TagsConfig
