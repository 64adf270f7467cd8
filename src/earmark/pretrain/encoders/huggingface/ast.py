"""The Audio Spectrogram Transformer (Gong et al. 2021, arXiv 2104.01778)."""

from __future__ import annotations

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
    cut_windows,
    join_windows,
    load_pretrained,
    resolve_depth,
)
from earmark.pretrain.encoders.log_mel import length_mask

FRAME_SAMPLES = 400
HOP_SAMPLES = 160
FFT_SIZE = 512
PRE_EMPHASIS = 0.97
MEL_FLOOR = float(torch.finfo(torch.float32).eps)
SPECIAL_TOKENS = 2
"""Before the patches: one for the class, one for distillation."""


class AstTower(Tower):
    """Kaldi log-mel with a Hann window, whole frames only, in windows of the model's own length.

    The frame of a time is the mean over its frequency patches. What is missing of the last window
    is as the feature extractor leaves it: zero before normalization, and attended to.
    """

    window: Tensor
    filters: Tensor

    def __init__(
        self, config: HuggingFaceConfig, architecture: Architecture, pretrained: bool
    ) -> None:
        super().__init__()
        from transformers import ASTConfig, ASTFeatureExtractor, ASTModel

        model_config: Any = ASTConfig.from_dict(architecture.config)
        layers = model_config.num_hidden_layers
        model_config.num_hidden_layers = resolve_depth(config.layer, layers)
        self.model: Any = (
            load_pretrained(ASTModel, model_config, config)
            if pretrained
            else ASTModel(model_config)
        )
        if model_config.num_hidden_layers < layers:
            self.model.layernorm = nn.Identity()
        usual = {"num_mel_bins": model_config.num_mel_bins, "max_length": model_config.max_length}
        extractor: Any = ASTFeatureExtractor.from_dict(architecture.preprocessor or usual)
        self.sample_rate = extractor.sampling_rate
        self.dim = model_config.hidden_size
        self.stride = model_config.time_stride
        self.frame_rate = self.sample_rate / HOP_SAMPLES / self.stride
        self.size = model_config.max_length
        self.bands = (
            model_config.num_mel_bins - model_config.patch_size
        ) // model_config.frequency_stride + 1
        self.shift = extractor.mean if extractor.do_normalize else 0.0
        self.scale = 2.0 * extractor.std if extractor.do_normalize else 1.0
        window = torch.hann_window(FRAME_SAMPLES, periodic=False)
        self.register_buffer("window", window, persistent=False)
        filters = ast_mel_filters(self.sample_rate, extractor.num_mel_bins)
        self.register_buffer("filters", filters, persistent=False)

    def features(
        self, wave: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float32[Tensor, "batch frames bins"], Int[Tensor, " batch"]]:
        """Return normalized log-mel frames; a clip shorter than one frame is filled with zeros."""
        with torch.autocast(wave.device.type, enabled=False):
            silent = wave.float().masked_fill(~length_mask(lengths, wave.shape[1]), 0.0)
            whole = functional.pad(silent, (0, max(0, FRAME_SAMPLES - wave.shape[1])))
            frames = whole.unfold(1, FRAME_SAMPLES, HOP_SAMPLES)
            centred = frames - frames.mean(dim=-1, keepdim=True)
            before = torch.cat([centred[..., :1], centred[..., :-1]], dim=-1)
            shaped = (centred - PRE_EMPHASIS * before) * self.window
            spectrum = torch.view_as_real(torch.fft.rfft(shaped, n=FFT_SIZE))
            energies = spectrum.square().sum(dim=-1) @ self.filters
            log_mel = energies.clamp(min=MEL_FLOOR).log()
            counts = (lengths.clamp(min=FRAME_SAMPLES) - FRAME_SAMPLES) // HOP_SAMPLES + 1
            return (log_mel - self.shift) / self.scale, counts

    def forward_features(
        self, features: Float[Tensor, "batch frames bins"], lengths: Int[Tensor, " batch"]
    ) -> Encoded:
        """Encode normalized log-mel frames, window by window."""
        windows = cut_windows(features, lengths, self.size)
        real = length_mask(windows.counts, self.size).unsqueeze(-1)
        filled = torch.where(real, windows.features, -self.shift / self.scale)
        hidden = self.model(filled).last_hidden_state[:, SPECIAL_TOKENS:]
        frames = hidden.unflatten(1, (self.bands, -1)).mean(dim=1)
        counts = (windows.counts + self.stride - 1) // self.stride
        return join_windows(frames, counts.clamp(max=frames.shape[1]), windows.has_audio)


def ast_mel_filters(sample_rate: int, mel_bins: int) -> Float32[Tensor, "bands bins"]:
    """Return Kaldi's triangles from 20 Hz to Nyquist, as the feature extractor has them."""
    from transformers.audio_utils import mel_filter_bank

    filters = mel_filter_bank(
        num_frequency_bins=FFT_SIZE // 2 + 1,
        num_mel_filters=mel_bins,
        min_frequency=20,
        max_frequency=sample_rate // 2,
        sampling_rate=sample_rate,
        norm=None,
        mel_scale="kaldi",
        triangularize_in_mel_space=True,
    )
    return torch.from_numpy(filters).float()
