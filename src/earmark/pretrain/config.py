"""The settings of the training loop, free of torch.

They live apart from what they build, so that a whole recipe is checked, on a machine that has no
torch or before the first clip is captioned, in a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from earmark.config import (
    Config,
    ConfigError,
    Device,
    NonNegativeFloat,
    NonNegativeInt,
    Package,
    PositiveFloat,
    PositiveInt,
    Share,
)


class SpecAugmentConfig(Config, frozen=True, kw_only=True):
    """Spans of time and of mel bins that training hides, and a warp of time before.

    Light as it stands, for runs of minutes. The paper's, for runs of days (section 3), are
    probability 0.9, time_warp 80, time_masks 10, time_width 100, mel_masks 2, mel_width 27.

    Args:
        probability: share of the clips that are warped and masked at all; 0 switches it off.
        time_warp: farthest that a place in time is moved, log-mel frames of 10 ms; 0 for none.
        time_masks: spans of time in a clip.
        time_width: widest span, log-mel frames.
        time_share: of a clip, the most that time masks together may hide.
        mel_masks: spans of mel bins in a clip.
        mel_width: widest span, bins.
    """

    probability: Share = 0.5
    time_warp: NonNegativeInt = 0
    time_masks: NonNegativeInt = 2
    time_width: NonNegativeInt = 30
    time_share: Share = 0.15
    mel_masks: NonNegativeInt = 1
    mel_width: NonNegativeInt = 12


class AdamWConfig(Config, frozen=True, kw_only=True, tag="adamw", tag_field="kind"):
    """AdamW; linear warm-up, then half a cosine to zero (arXiv 1711.05101, 1608.03983).

    Args:
        lr: peak learning rate for the encoder.
        objective_lr: the same for what is thrown away afterwards. Higher, because a head that
            starts from nothing has farther to go than an encoder whose random weights are already
            of use, and which steps as large would scramble.
        warmup_steps: linear warm-up.
        weight_decay: on matrices only.
    """

    lr: PositiveFloat = 3e-4
    objective_lr: PositiveFloat = 2e-3
    warmup_steps: NonNegativeInt = 50
    weight_decay: NonNegativeFloat = 0.05


class ScaledAdamConfig(Config, frozen=True, kw_only=True, tag="scaled-adam", tag_field="kind"):
    """ScaledAdam with the Eden schedule, as the Zipformer paper has them (arXiv 2310.11230).

    Steps are in proportion to each tensor's own size, so one rate suits every layer and every
    width, and weight decay is not wanted.

    Args:
        lr: base rate for the encoder.
        objective_lr: the same for what is thrown away afterwards.
        warmup_steps: the rate rises from half to the whole over so many.
        lr_steps: steps after which the rate begins to fall.
        lr_epochs: epochs after which the rate begins to fall once more.
    """

    lr: PositiveFloat = 0.045
    objective_lr: PositiveFloat = 0.045
    warmup_steps: NonNegativeInt = 500
    lr_steps: PositiveFloat = 7500.0
    lr_epochs: PositiveFloat = 3.5


OptimizerConfig = AdamWConfig | ScaledAdamConfig


Requirement = Literal["tags", "summary", "caption", "original"]


class PretrainConfig(Config, frozen=True, kw_only=True):
    """The training loop.

    Args:
        steps: optimizer steps.
        audio_s: where above 0, the seconds of audio to learn from in all, instead of `steps`: as
            many steps are taken as these are, without the padding of batches.
        seed: of the weights, the batches and what training hides; the recipe's where it is left
            out. Two runs that differ here alone have the same splits.
        train_share: share of the train split's recordings that is learnt from. Those of a smaller
            share are among those of a larger one, whatever the seed.
        require: what a clip must have to be learnt from, beside what the objective itself wants:
            so that two kinds of supervision are compared on the same clips.
        batch_s: seconds of audio in a batch of one process, padding included.
        accumulate: batches of each process whose gradients make up one step.
        max_clip_s: longer clips are cropped to this, at a place drawn from (seed, step, clip).
        optimizer: and its schedule.
        clip_norm: gradient norm ceiling.
        ema_decay: where above 0, the checkpoint holds the running average of the weights, of which
            each step keeps this share (it grows from 0 in the first steps); 0 keeps the last.
        spec_augment: what training hides of the features.
        log_every: steps between rows of log.jsonl.
        checkpoint_every: steps between checkpoints that a killed run goes on from.
        validate_every: steps between validation passes.
        workers: loader threads of each process; 0 loads between the steps.
        precision: "auto" is bfloat16 on an accelerator that has it, else float32.
        device: "auto" takes an accelerator where there is one, else "cpu", "cuda", "cuda:1", "mps".
        compile: whether torch.compile makes one program of the encoder; the first steps then wait
            for it.
        checkpoint_activations: whether the encoder's layers are computed a second time on the way
            back instead of being kept: about a third slower, with much less memory.
        tensorboard: whether the log is also written for TensorBoard (the extra `tensorboard`).
    """

    renamed: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"requires": "require", "optimiser": "optimizer"}
    )

    steps: PositiveInt = 600
    audio_s: NonNegativeFloat = 0.0
    seed: int | None = None
    train_share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    require: tuple[Requirement, ...] = ()
    batch_s: PositiveFloat = 60.0
    accumulate: PositiveInt = 1
    max_clip_s: PositiveFloat = 10.0
    optimizer: OptimizerConfig = AdamWConfig()
    clip_norm: PositiveFloat = 1.0
    ema_decay: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    spec_augment: SpecAugmentConfig = SpecAugmentConfig()
    log_every: PositiveInt = 5
    checkpoint_every: PositiveInt = 100
    validate_every: PositiveInt = 100
    workers: NonNegativeInt = 1
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Device = "auto"
    compile: bool = False
    checkpoint_activations: bool = False
    tensorboard: bool = False

    @property
    def packages(self) -> tuple[Package, ...]:
        """The log for TensorBoard."""
        log = Package("tensorboard", "tensorboard", "tensorboard = true")
        return (log,) if self.tensorboard else ()

    def check(self) -> None:
        """Refuse batches that cannot hold a clip. Raises ConfigError."""
        if self.batch_s < self.max_clip_s:
            raise ConfigError(
                f"batch_s = {self.batch_s:g} cannot hold a clip of max_clip_s = "
                f"{self.max_clip_s:g} s; raise the first or lower the second."
            )


NEUTRAL_SETTINGS = (
    "accumulate",
    "log_every",
    "checkpoint_every",
    "validate_every",
    "workers",
    "device",
    "compile",
    "checkpoint_activations",
    "tensorboard",
)
"""Settings that may change between a kill and the resumption, as the number of processes may: they
say on what a run is computed, or how often it tells of itself."""


def result_settings(config: PretrainConfig) -> dict[str, Any]:
    """Return those settings that shape the weights, but for the seed: it may be the recipe's."""
    settings = msgspec.structs.asdict(config)
    if config.audio_s:
        settings["steps"] = 0  # follow from the audio-seconds
    return {
        name: value for name, value in settings.items() if name not in (*NEUTRAL_SETTINGS, "seed")
    }
