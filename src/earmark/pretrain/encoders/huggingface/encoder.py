"""Any supported audio model of `transformers` as an `Encoder`."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from earmark.pretrain.encoders.base import Encoded, Encoder
from earmark.pretrain.encoders.config import HuggingFaceConfig
from earmark.pretrain.encoders.huggingface.base import (
    AST_TYPES,
    WAVEFORM_TYPES,
    WHISPER_TYPES,
    Tower,
    parse_architecture,
)
from earmark.pretrain.huggingface import silence_transformers


class HuggingFaceEncoder(Encoder):
    """AST, Whisper's encoder, wav2vec2 and its kin, or CLAP's audio tower.

    Each is fed by its own feature extractor's formula, on the batch and its device. Chance inside
    the model beside dropout (layer drop, its own masking) is off.

    Args:
        config: with `architecture` filled in, as `resolve` returns it.
        pretrained: whether the weights of `config.model` are read; else they are drawn afresh.

    Raises:
        ConfigError: the model is of a family that is not supported, it has no such layer, or its
            weights cannot be had.
    """

    # Families keep layers behind the one whose frames are taken, and embeddings for masking.
    has_unused_parameters = True

    def __init__(self, config: HuggingFaceConfig, pretrained: bool) -> None:
        super().__init__()
        with silence_transformers():
            self.tower = build_tower(config, pretrained)
        self.sample_rate = self.tower.sample_rate
        self.dim = self.tower.dim
        self.frame_rate = self.tower.frame_rate

    def features(
        self, wave: Float[Tensor, "batch samples"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch steps *bins"], Int[Tensor, " batch"]]:
        """Return log-mel frames for AST and Whisper, else waves."""
        return self.tower.features(wave, lengths)

    def forward_features(
        self, features: Float[Tensor, "batch steps *bins"], lengths: Int[Tensor, " batch"]
    ) -> Encoded:
        """Encode what `features` returned."""
        return self.tower.forward_features(features, lengths)


def build_tower(config: HuggingFaceConfig, pretrained: bool) -> Tower:
    """Return the model with its front end. Raises ConfigError as `HuggingFaceEncoder`."""
    architecture = parse_architecture(config)
    kind = architecture.model_type
    if kind in AST_TYPES:
        from earmark.pretrain.encoders.huggingface.ast import AstTower

        return AstTower(config, architecture, pretrained)
    if kind in WHISPER_TYPES:
        from earmark.pretrain.encoders.huggingface.whisper import WhisperTower

        return WhisperTower(config, architecture, pretrained)
    if kind in WAVEFORM_TYPES:
        from earmark.pretrain.encoders.huggingface.waveform import WaveformTower

        return WaveformTower(config, architecture, pretrained)
    from earmark.pretrain.encoders.huggingface.clap import ClapTower

    return ClapTower(config, architecture, pretrained)
