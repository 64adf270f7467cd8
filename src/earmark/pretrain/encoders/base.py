"""The contract of an encoder: waves in, frames out, its own feature front end inside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor, nn

from earmark.pretrain.augment import spec_augment
from earmark.pretrain.config import SpecAugmentConfig
from earmark.pretrain.data.loader import (
    AudioInput,
    group_by_length,
    input_duration_s,
    pad_waves,
    to_wave,
)

EMBED_BATCH_S = 60.0
"""Seconds of audio that `embed` encodes at a time, padding included."""


@dataclass(frozen=True)
class Augmentation:
    """What training hides of each clip: `config`, and one seed a clip of the batch."""

    config: SpecAugmentConfig
    seeds: Sequence[int]


@dataclass(frozen=True)
class Encoded:
    """What an encoder gives: `frames`, and a `mask` that is True where a frame is real."""

    frames: Float[Tensor, "batch frames dim"]
    mask: Bool[Tensor, "batch frames"]

    def pooled(self) -> Float32[Tensor, "batch dim"]:
        """Return the mean over each clip's real frames."""
        weights = self.mask.unsqueeze(-1).float()
        return (self.frames.float() * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


class Encoder(nn.Module, ABC):
    """Turns waves into frames. Padding changes nothing: a clip alone and in a batch agree.

    `sample_rate` in Hz is what it listens to, `dim` the width of a frame, `frame_rate` frames a
    second (0 where a clip gives a single frame, however long it is). Where `checkpoint_activations`
    is set, layers are computed a second time on the way back in training instead of being kept:
    slower, with less memory, and with the same gradients. An encoder that changes as training goes
    on has a buffer `steps_taken`; the loop writes the optimizer steps into it.
    `has_unused_parameters` says that some parameter may get no gradient from a batch.
    """

    sample_rate: int
    dim: int
    frame_rate: float
    checkpoint_activations: bool = False
    has_unused_parameters: bool = False

    @abstractmethod
    def features(
        self, wave: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch steps *bins"], Int[Tensor, " batch"]]:
        """Return what the network reads, and how many steps of each row are real.

        Waves are in [-1, 1]; `lengths` are the real samples of each row, at least one. Log-mel
        frames [batch, frames, bins] where the encoder has such a front end, else waves.
        """

    @abstractmethod
    def forward_features(
        self, features: Float[Tensor, "batch steps *bins"], lengths: Int[Tensor, " batch"]
    ) -> Encoded:
        """Encode what `features` returned; what lies behind a row's `lengths` may be anything."""

    @final
    def forward(
        self,
        wave: Float[Tensor, "batch samples"],
        lengths: Int[Tensor, " batch"],
        augment: Augmentation | None = None,
    ) -> Encoded:
        """Encode waves in [-1, 1]; `lengths` are the real samples of each row, at least one.

        `augment` is given in training only.
        """
        return self.forward_features(*self.prepare(wave, lengths, augment))

    @final
    def prepare(
        self,
        wave: Float[Tensor, "batch samples"],
        lengths: Int[Tensor, " batch"],
        augment: Augmentation | None = None,
    ) -> tuple[Float[Tensor, "batch steps *bins"], Int[Tensor, " batch"]]:
        """Return the features of waves, masked where `augment` says so; bare waves never are."""
        features, counts = self.features(wave, lengths)
        if augment is not None and features.ndim == 3:
            features = spec_augment(features, counts, augment.config, augment.seeds)
        return features, counts

    @final
    def embed(self, files: Sequence[AudioInput]) -> Float32[np.ndarray, "files dim"]:
        """Return one vector a file, in their order: the mean over its frames.

        The vector does not depend on the other files (to about 1e-6), nor on chance: dropout and
        masking are off.

        Args:
            files: paths of audio files, spans of such, or mono waves in [-1, 1] at `sample_rate`
                Hz.

        Raises:
            AudioError: a file cannot be decoded.
            ValueError: a wave is empty, not finite, or not one-dimensional.
        """
        vectors = np.zeros((len(files), self.dim), dtype=np.float32)
        was_training = self.training
        self.eval()
        try:
            for places, encoded in self.encode(files):
                vectors[places] = encoded.pooled().cpu().numpy()
        finally:
            self.train(was_training)
        return vectors

    @final
    def encode(self, files: Sequence[AudioInput]) -> Iterator[tuple[list[int], Encoded]]:
        """Yield places in `files` and their frames, batch by batch, until each was there.

        Sounds of like length share a batch of at most `EMBED_BATCH_S` seconds. No gradients; the
        mode, training or evaluation, is left as it is. Raises as `embed`.
        """
        device = next(iter([*self.parameters(), *self.buffers()])).device
        durations = [input_duration_s(file, self.sample_rate) for file in files]
        for places in group_by_length(durations, EMBED_BATCH_S):
            wave, lengths = pad_waves([to_wave(files[place], self.sample_rate) for place in places])
            with torch.inference_mode():
                encoded = self(wave.to(device), lengths.to(device))
            yield places, encoded
