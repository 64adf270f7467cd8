"""Models that read waves: wav2vec 2.0, HuBERT, WavLM and data2vec.

arXiv 2006.11477, 2106.07447, 2110.13900, 2202.03555.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor, nn
from torch.nn import functional

from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.encoders.config import HuggingFaceConfig
from earmark.pretrain.encoders.huggingface.base import (
    Architecture,
    Tower,
    load_pretrained,
    resolve_depth,
)
from earmark.pretrain.encoders.log_mel import length_mask

VARIANCE_FLOOR = 1e-7


class WaveformTower(Tower):
    """Waves, each to zero mean and unit variance where the model wants that, and a mask.

    Models that norm their first convolution over the whole of time (feat_extract_norm "group"), or
    whose padding leaks through convolutions, have no mask that would hide padding: in them clips
    are encoded together only with those of the same length.
    """

    def __init__(
        self, config: HuggingFaceConfig, architecture: Architecture, pretrained: bool
    ) -> None:
        super().__init__()
        from transformers import CONFIG_MAPPING, MODEL_MAPPING, Wav2Vec2FeatureExtractor

        model_config: Any = CONFIG_MAPPING[architecture.model_type].from_dict(architecture.config)
        layers = model_config.num_hidden_layers
        model_config.num_hidden_layers = resolve_depth(config.layer, layers)
        for chance in ("layerdrop", "mask_time_prob", "mask_feature_prob"):
            setattr(model_config, chance, 0.0)
        model_config.apply_spec_augment = False
        model_config.add_adapter = False
        kind: Any = MODEL_MAPPING[type(model_config)]
        self.model = (
            load_pretrained(kind, model_config, config) if pretrained else kind(model_config)
        )
        plain = architecture.config
        if plain.get("do_stable_layer_norm") and model_config.num_hidden_layers < layers:
            self.model.encoder.layer_norm = nn.Identity()
        extractor: Any = Wav2Vec2FeatureExtractor.from_dict(architecture.preprocessor)
        self.normalize = bool(extractor.do_normalize)
        self.sample_rate = extractor.sampling_rate
        self.dim = model_config.hidden_size
        self.kernels = tuple(model_config.conv_kernel)
        self.strides = tuple(model_config.conv_stride)
        self.frame_rate = self.sample_rate / math.prod(self.strides)
        self.hides_padding = not (
            plain.get("feat_extract_norm", "group") == "group"
            or architecture.model_type == "data2vec-audio"
            or plain.get("conv_pos_batch_norm")
        )

    @property
    def shortest(self) -> int:
        """Samples that one frame hears."""
        samples = 1
        for kernel, stride in zip(self.kernels[::-1], self.strides[::-1], strict=True):
            samples = (samples - 1) * stride + kernel
        return samples

    def features(
        self, wave: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float32[Tensor, "batch samples_or_more"], Int[Tensor, " batch"]]:
        """Return waves, zero behind their ends; one shorter than a frame is filled with zeros."""
        with torch.autocast(wave.device.type, enabled=False):
            real = length_mask(lengths, wave.shape[1])
            scaled = wave.float().masked_fill(~real, 0.0)
            if self.normalize:
                count = lengths.unsqueeze(1)
                centred = scaled - scaled.sum(dim=1, keepdim=True) / count
                centred = centred.masked_fill(~real, 0.0)
                variance = centred.square().sum(dim=1, keepdim=True) / count
                scaled = centred / (variance + VARIANCE_FLOOR).sqrt()
            missing = max(0, self.shortest - wave.shape[1])
            return functional.pad(scaled, (0, missing)), lengths.clamp(min=self.shortest)

    def forward_features(
        self, features: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> Encoded:
        """Encode waves that `features` has scaled."""
        counts = lengths
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            counts = (counts - kernel) // stride + 1
        if not self.hides_padding:
            return self._by_length(features, lengths, counts)
        mask = length_mask(lengths, features.shape[1])
        silent = features.masked_fill(~mask, 0.0)
        frames = self.model(silent, attention_mask=mask.long()).last_hidden_state
        return Encoded(frames, length_mask(counts, frames.shape[1]))

    def _by_length(
        self,
        features: Float[Tensor, "batch samples"],
        lengths: Int[Tensor, " batch"],
        counts: Int[Tensor, " batch"],
    ) -> Encoded:
        parts: list[tuple[Tensor, Tensor]] = []
        for length in lengths.unique().tolist():
            rows = (lengths == length).nonzero().squeeze(1)
            parts.append((rows, self.model(features[rows, :length]).last_hidden_state))
        frames = parts[0][1].new_zeros(len(lengths), int(counts.max()), self.dim)
        for rows, own in parts:
            frames[rows, : own.shape[1]] = own
        return Encoded(frames, length_mask(counts, frames.shape[1]))
