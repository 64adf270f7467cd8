"""The settings of pre-training, free of torch.

They live apart from the modules that they build, so that a whole recipe is checked, on a machine
that has no torch or before the first clip is captioned, in a fraction of a second.
"""

from __future__ import annotations

from earmark.config import Config


class TransformerConfig(Config, frozen=True, kw_only=True, tag="transformer", tag_field="kind"):
    """A plain pre-norm transformer on log-mel frames (about 5M parameters as it stands).

    Args:
        sample_rate: what it listens to, Hz.
        mel_bins: log-mel channels.
        dim: width of a frame.
        layers: transformer blocks.
        heads: attention heads a block; divides `dim`.
        dropout: in attention and feed-forward, 0 to 1.
    """

    sample_rate: int = 16000
    mel_bins: int = 80
    dim: int = 256
    layers: int = 6
    heads: int = 4
    dropout: float = 0.1


class TagsConfig(Config, frozen=True, kw_only=True, tag="tags", tag_field="kind"):
    """Multi-tag classification: BCE over the vocabulary on mean-pooled frames (PAPER section 2)."""


class PretrainConfig(Config, frozen=True, kw_only=True):
    """The training loop.

    Args:
        steps: optimiser steps.
        batch_s: seconds of audio in a batch, padding included.
        max_clip_s: longer clips are cropped to this, at a place drawn from (seed, step, clip).
        lr: peak learning rate of AdamW.
        warmup_steps: linear warm-up; a cosine to zero follows.
        weight_decay: on matrices only.
        clip_norm: gradient norm ceiling.
        spec_augment: mask time and frequency in training.
        checkpoint_every: steps between checkpoints that a killed run goes on from.
        validate_every: steps between validation passes.
        workers: loader processes; 0 loads in the training process.
        precision: "auto" is bf16 on a device that has it, else float32.
        device: "auto" takes an accelerator where there is one.
    """

    steps: int = 400
    batch_s: float = 120.0
    max_clip_s: float = 10.0
    lr: float = 1e-3
    warmup_steps: int = 50
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    spec_augment: bool = True
    checkpoint_every: int = 100
    validate_every: int = 100
    workers: int = 1
    precision: str = "auto"
    device: str = "auto"


EncoderConfig = TransformerConfig
ObjectiveConfig = TagsConfig
