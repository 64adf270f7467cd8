"""CLAP's audio tower, HTS-AT (Wu et al. 2022, arXiv 2211.06687; Chen et al. 2022, 2202.00874)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from earmark.config import ConfigError
from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.encoders.config import HuggingFaceConfig
from earmark.pretrain.encoders.huggingface.base import (
    Architecture,
    Tower,
    cut_windows,
    join_windows,
    load_pretrained,
)
from earmark.pretrain.encoders.log_mel import length_mask

POWER_FLOOR = 1e-10


def build_clap_model(
    config: HuggingFaceConfig, architecture: Architecture, pretrained: bool
) -> Any:
    """Return CLAP's audio model, alone or out of a whole CLAP. Raises ConfigError."""
    from transformers import ClapAudioConfig, ClapConfig
    from transformers.models.clap.modeling_clap import ClapAudioModel, ClapModel

    whole = architecture.model_type == "clap"
    read: Any = (ClapConfig if whole else ClapAudioConfig).from_dict(architecture.config)
    tower: Any = read.audio_config if whole else read
    tower.enable_fusion = False
    if not pretrained:
        return ClapAudioModel(tower)
    if whole:
        return load_pretrained(ClapModel, read, config, part="audio_model.").audio_model
    return load_pretrained(ClapAudioModel, tower, config)


class ClapTower(Tower):
    """Log-mel in decibels of windows of 10 s; a shorter one is repeated until it fills them.

    What is repeated are samples, so `features` are waves. Longer clips are windowed; the fusion of
    a clip's crops is off. Frames above what was repeated are left out, and the frame of a time is
    the mean over its frequencies.
    """

    window: Tensor
    filters: Tensor

    def __init__(
        self, config: HuggingFaceConfig, architecture: Architecture, pretrained: bool
    ) -> None:
        super().__init__()
        from transformers import ClapFeatureExtractor

        if config.layer != -1:
            raise ConfigError(
                f"encoder.layer = {config.layer}: CLAP's layers differ in width and frame rate; "
                "leave it at -1, the last."
            )
        self.model: Any = build_clap_model(config, architecture, pretrained)
        tower = self.model.config
        usual = {"feature_size": tower.num_mel_bins}
        extractor: Any = ClapFeatureExtractor.from_dict(architecture.preprocessor or usual)
        self.sample_rate = extractor.sampling_rate
        self.hop = extractor.hop_length
        self.size = extractor.nb_max_samples
        self.repeats = extractor.padding
        self.dim = self.model.audio_encoder.num_features
        steps = tower.spec_size * (tower.spec_size // tower.num_mel_bins)
        self.steps = steps // (tower.patch_stride[1] * 2 ** (len(tower.depths) - 1))
        self.frame_rate = self.steps * self.sample_rate / self.size
        window = torch.hann_window(extractor.fft_window_size)
        self.register_buffer("window", window, persistent=False)
        fused = extractor.truncation == "fusion"
        filters = extractor.mel_filters if fused else extractor.mel_filters_slaney
        filters = torch.from_numpy(filters).float()
        self.register_buffer("filters", filters, persistent=False)

    def features(
        self, wave: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch samples"], Int[Tensor, " batch"]]:
        """Return waves as they are."""
        return wave, lengths

    def forward_features(
        self, features: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> Encoded:
        """Encode waves, window by window."""
        windows = cut_windows(features, lengths, self.size)
        with torch.autocast(features.device.type, enabled=False):
            log_mel = self._log_mel(self._filled(windows.features.float(), windows.counts))
        planes = self.model(log_mel.unsqueeze(1)).last_hidden_state
        counts = (windows.counts * self.steps + self.size - 1) // self.size
        return join_windows(planes.mean(dim=2).transpose(1, 2), counts, windows.has_audio)

    def _filled(
        self, wave: Float32[Tensor, "windows samples"], counts: Int[Tensor, " windows"]
    ) -> Float32[Tensor, "windows samples"]:
        """Fill windows up as the feature extractor does, by its setting `padding`."""
        count = counts.unsqueeze(1)
        place = torch.arange(self.size, device=wave.device)
        repeated = wave.gather(1, place % count)
        if self.repeats == "repeat":
            return repeated
        times = self.size // counts if self.repeats == "repeatpad" else torch.ones_like(counts)
        return repeated.masked_fill(~length_mask(times * counts, self.size), 0.0)

    def _log_mel(
        self, wave: Float32[Tensor, "windows samples"]
    ) -> Float32[Tensor, "windows frames bins"]:
        spectrum = torch.stft(
            wave, len(self.window), self.hop, window=self.window, return_complex=True
        )
        power = torch.view_as_real(spectrum).square().sum(dim=-1)
        energies = power.transpose(1, 2) @ self.filters
        return 10.0 * energies.clamp(min=POWER_FLOOR).log10()
