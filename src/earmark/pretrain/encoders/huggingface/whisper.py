"""Whisper's encoder (Radford et al. 2022, arXiv 2212.04356)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor, nn

from earmark.config import ConfigError
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

POWER_FLOOR = 1e-10
CONVOLUTION_STRIDE = 2
DYNAMIC_RANGE_LOG10 = 8.0
"""Powers of ten below a window's loudest bin that are told apart."""


def build_whisper_encoder(
    config: HuggingFaceConfig, architecture: Architecture, pretrained: bool
) -> Any:
    """Return Whisper's encoder up to the layer that is asked for. Raises ConfigError."""
    from transformers import WhisperConfig, WhisperModel
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    model_config: Any = WhisperConfig.from_dict(architecture.config)
    layers = model_config.encoder_layers
    model_config.encoder_layers = resolve_depth(config.layer, layers)
    model_config.encoder_layerdrop = 0.0
    model: Any = (
        load_pretrained(WhisperModel, model_config, config, part="encoder.").encoder
        if pretrained
        else WhisperEncoder(model_config)
    )
    if model_config.encoder_layers < layers:
        model.layer_norm = nn.Identity()
    return model


class WhisperTower(Tower):
    """Log-mel in windows of 30 s, each scaled by its own loudest bin, silence behind a clip's end.

    The model attends to that silence; the frames above it are left out.
    """

    window: Tensor
    filters: Tensor

    def __init__(
        self, config: HuggingFaceConfig, architecture: Architecture, pretrained: bool
    ) -> None:
        super().__init__()
        from transformers import WhisperFeatureExtractor

        self.model: Any = build_whisper_encoder(config, architecture, pretrained)
        model_config = self.model.config
        usual = {"feature_size": model_config.num_mel_bins}
        extractor: Any = WhisperFeatureExtractor.from_dict(architecture.preprocessor or usual)
        self.sample_rate = extractor.sampling_rate
        self.dim = model_config.d_model
        self.hop = extractor.hop_length
        self.frame_rate = self.sample_rate / self.hop / CONVOLUTION_STRIDE
        self.size = model_config.max_source_positions * CONVOLUTION_STRIDE
        if extractor.nb_max_frames != self.size:
            raise ConfigError(
                f"{config.model!r} reads {self.size} log-mel frames, but its feature extractor "
                f"gives {extractor.nb_max_frames}; its two JSON files are not of one model."
            )
        window = torch.hann_window(extractor.n_fft)
        self.register_buffer("window", window, persistent=False)
        filters = torch.from_numpy(extractor.mel_filters).float()
        self.register_buffer("filters", filters, persistent=False)

    def features(
        self, wave: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float32[Tensor, "batch frames bins"], Int[Tensor, " batch"]]:
        """Return scaled log-mel frames, all windows behind each other.

        Real are those that hear some sample of the clip.
        """
        with torch.autocast(wave.device.type, enabled=False):
            silent = wave.float().masked_fill(~length_mask(lengths, wave.shape[1]), 0.0)
            windows = cut_windows(silent, lengths, self.size * self.hop)
            scaled = join_windows(
                self._log_mel(windows.features), self._counts(windows.counts), windows.has_audio
            )
            counts = scaled.mask.sum(dim=1)
            return scaled.frames[:, : int(counts.max())], counts

    def _counts(self, samples: Int[Tensor, " windows"]) -> Int[Tensor, " windows"]:
        """Return the frames that hear some of so many samples; a Hann window's first is zero."""
        reach = len(self.window) // 2 - 2
        return ((samples + reach) // self.hop + 1).clamp(max=self.size)

    def _log_mel(
        self, wave: Float32[Tensor, "windows samples"]
    ) -> Float32[Tensor, "windows frames bins"]:
        spectrum = torch.stft(
            wave, len(self.window), self.hop, window=self.window, return_complex=True
        )
        power = torch.view_as_real(spectrum[..., :-1]).square().sum(dim=-1)
        log_mel = (power.transpose(1, 2) @ self.filters).clamp(min=POWER_FLOOR).log10()
        loudest = log_mel.amax(dim=(1, 2), keepdim=True)
        return (torch.maximum(log_mel, loudest - DYNAMIC_RANGE_LOG10) + 4.0) / 4.0

    def forward_features(
        self, features: Float[Tensor, "batch frames bins"], lengths: Int[Tensor, " batch"]
    ) -> Encoded:
        """Encode scaled log-mel frames, window by window; what is behind them becomes silence."""
        windows = cut_windows(features, lengths, self.size)
        real = length_mask(windows.counts, self.size).unsqueeze(-1)
        loudest = windows.features.masked_fill(~real, -torch.inf).amax(dim=(1, 2), keepdim=True)
        silence = (loudest - DYNAMIC_RANGE_LOG10 / 4.0).clamp(min=-1.5)
        filled = torch.where(real, windows.features, silence)
        frames = self.model(filled.transpose(1, 2)).last_hidden_state
        counts = (windows.counts + CONVOLUTION_STRIDE - 1) // CONVOLUTION_STRIDE
        return join_windows(frames, counts, windows.has_audio)
