"""Zipformer2 (Yao et al. 2023, arXiv 2310.11230): log-mel at 100 Hz to frames at 25 Hz."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from earmark.pretrain.encoders.base import Encoded, Encoder
from earmark.pretrain.encoders.config import ZipformerConfig, ZipformerShape
from earmark.pretrain.encoders.log_mel import FRAME_RATE_HZ, LogMel, length_mask
from earmark.pretrain.encoders.zipformer.layers import (
    Downsample,
    DownsampledLayerStack,
    LayerStack,
    ZipformerLayer,
)
from earmark.pretrain.encoders.zipformer.modules import AttentionWeights
from earmark.pretrain.encoders.zipformer.schedule import DropRates, rates_at
from earmark.pretrain.encoders.zipformer.stem import Stem

ZIPFORMER_SHAPES = {
    "S": ZipformerShape(
        stem_channels=(8, 24, 64),
        layers=(1, 1, 2, 2, 2, 1),
        dims=(96, 128, 192, 256, 192, 128),
        feed_forward_dims=(288, 384, 576, 768, 576, 384),
        heads=(4, 4, 4, 4, 4, 4),
        query_head_dim=24,
    ),
    "M": ZipformerShape(),
    "L": ZipformerShape(
        layers=(2, 2, 4, 5, 4, 2),
        dims=(192, 256, 512, 768, 512, 256),
        feed_forward_dims=(576, 768, 1536, 2304, 1536, 768),
    ),
}
"""Published sizes (PAPER section 3), and S, for a CPU."""


def resolve_shape(config: ZipformerConfig) -> ZipformerShape:
    """Return every dimension of an encoder, given or named by its size."""
    return config.shape if config.shape is not None else ZIPFORMER_SHAPES[config.size]


class Zipformer(Encoder):
    """Log-mel, convolutional stem, stacks of layers at 50 to 6.25 Hz, output at 25 Hz.

    `checkpoint_activations` trades a second forward of the layers for their memory in training;
    `steps_taken` is where training is on the schedule of what it drops.
    """

    steps_taken: Tensor

    def __init__(self, config: ZipformerConfig) -> None:
        super().__init__()
        shape = resolve_shape(config)
        self.checkpoint_activations = False
        self.sample_rate = config.sample_rate
        self.dropout = config.dropout
        self.dims = shape.dims
        self.dim = max(shape.dims)
        self.output_downsampling = shape.output_downsampling
        self.frame_rate = FRAME_RATE_HZ / 2 / shape.output_downsampling
        self.spectrogram = LogMel(config.sample_rate, config.mel_bins)
        window = math.lcm(*shape.downsampling, shape.output_downsampling)
        self.stem = Stem(config.mel_bins, shape.stem_channels, shape.dims[0], window)
        self.stacks = nn.ModuleList(build_stack(shape, place) for place in range(len(shape.dims)))
        self.output_downsample = Downsample(shape.output_downsampling)
        self.register_buffer("steps_taken", torch.zeros((), dtype=torch.int64))

    def features(
        self, wave: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch frames bins"], Int[Tensor, " batch"]]:
        """Return log-mel frames, not normalized."""
        return self.spectrogram(wave, lengths)

    def forward_features(
        self, features: Float[Tensor, "batch steps bins"], lengths: Int[Tensor, " batch"]
    ) -> Encoded:
        """Encode log-mel frames; `lengths` are the real ones of each row, at least one.

        A row of n log-mel frames gives (n - 7) // 2 frames at 50 Hz, at least one, and half as
        many, rounded up, at 25 Hz.
        """
        rates = self._rates()
        frames, counts = self.stem(features, lengths)
        outputs: list[Tensor] = []
        for place, module in enumerate(self.stacks):
            frames = set_channels(frames, self.dims[place])
            mask = length_mask(counts, frames.shape[1])
            recompute = self.checkpoint_activations and self.training
            frames = module(frames, mask, rates, recompute=recompute)
            outputs.append(frames)
        frames = self.output_downsample(combine_outputs(outputs))
        given = max((features.shape[1] - 7) // 2, 1)
        size = -(-given // self.output_downsampling)
        counts = -torch.div(-counts, self.output_downsampling, rounding_mode="floor")
        return Encoded(frames[:, :size], length_mask(counts, size))

    def _rates(self) -> DropRates | None:
        """Return what to drop in this step; nothing in evaluation."""
        if not self.training or self.dropout == 0:
            return None
        return rates_at(self.steps_taken, self.dropout)


def build_stack(shape: ZipformerShape, place: int) -> LayerStack | DownsampledLayerStack:
    """Return one stack of a shape with fresh weights."""
    dim, factor = shape.dims[place], shape.downsampling[place]
    layers = [
        ZipformerLayer(
            dim,
            shape.feed_forward_dims[place],
            AttentionWeights(
                dim,
                shape.heads[place],
                shape.query_head_dim,
                shape.position_head_dim,
                shape.position_dim,
            ),
            shape.value_head_dim,
            shape.kernels[place],
        )
        for _ in range(shape.layers[place])
    ]
    inner = LayerStack(layers, shape.position_dim)
    return inner if factor == 1 else DownsampledLayerStack(inner, factor, dim)


def set_channels(
    frames: Float[Tensor, "batch frames before"], dim: int
) -> Float[Tensor, "batch frames after"]:
    """Cut frames to a width, or fill them up with zeros."""
    return nn.functional.pad(frames, (0, dim - frames.shape[-1]))


def combine_outputs(outputs: list[Tensor]) -> Float[Tensor, "batch frames dim"]:
    """Join stacks' outputs: each channel from the last stack that has it."""
    pieces, width = [outputs[-1]], outputs[-1].shape[-1]
    for output in reversed(outputs[:-1]):
        if output.shape[-1] > width:
            pieces.append(output[..., width:])
            width = output.shape[-1]
    return torch.cat(pieces, dim=-1)
