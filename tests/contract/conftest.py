"""Tiny audio models of `transformers` with random weights, saved as the real ones are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

MODELS = (
    *("ast", "whisper", "clap"),
    *("wav2vec2", "wav2vec2-large", "hubert", "wavlm", "data2vec"),
)
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
WAVES = SMALL | {
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}


def _ast(transformers: Any) -> tuple[Any, Any]:
    config = transformers.ASTConfig(**SMALL, max_length=1024, num_mel_bins=64)
    extractor = transformers.ASTFeatureExtractor(max_length=1024, num_mel_bins=64)
    return transformers.ASTForAudioClassification(config), extractor


def _whisper(transformers: Any) -> tuple[Any, Any]:
    config = transformers.WhisperConfig(
        vocab_size=20,
        d_model=16,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_source_positions=150,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=3,
    )
    extractor = transformers.WhisperFeatureExtractor(chunk_length=3)
    return transformers.WhisperForConditionalGeneration(config), extractor


def _clap(transformers: Any) -> tuple[Any, Any]:
    audio = {
        "patch_embeds_hidden_size": 8,
        "hidden_size": 16,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "num_hidden_layers": 2,
        "projection_dim": 16,
    }
    text = SMALL | {"vocab_size": 20, "projection_dim": 16, "pad_token_id": 0}
    config = transformers.ClapConfig(audio_config=audio, text_config=text, projection_dim=16)
    return transformers.ClapModel(config), transformers.ClapFeatureExtractor(
        truncation="rand_trunc"
    )


def _waves(transformers: Any, family: str, normalize: bool, **more: Any) -> tuple[Any, Any]:
    config = getattr(transformers, f"{family}Config")(**WAVES | more)
    extractor = transformers.Wav2Vec2FeatureExtractor(
        do_normalize=normalize, return_attention_mask=True
    )
    return getattr(transformers, f"{family}Model")(config), extractor


def _build(name: str, transformers: Any) -> tuple[Any, Any]:
    if name == "ast":
        return _ast(transformers)
    if name == "whisper":
        return _whisper(transformers)
    if name == "clap":
        return _clap(transformers)
    if name == "wav2vec2":
        return _waves(transformers, "Wav2Vec2", True)
    if name == "wav2vec2-large":
        return _waves(transformers, "Wav2Vec2", True, **STABLE)
    if name == "hubert":
        return _waves(transformers, "Hubert", True, **STABLE)
    if name == "wavlm":
        return _waves(transformers, "WavLM", False, **STABLE)
    return _waves(transformers, "Data2VecAudio", True, num_conv_pos_embeddings=3)


@pytest.fixture(scope="session")
def audio_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function from one of `MODELS` to the folder where it is saved."""
    transformers = pytest.importorskip("transformers")
    made: dict[str, Path] = {}

    def saved(name: str) -> Path:
        if name not in made:
            with torch.random.fork_rng():
                torch.manual_seed(len(made))
                model, extractor = _build(name, transformers)
                made[name] = tmp_path_factory.mktemp(name)
                with torch.no_grad():
                    # At the usual spread of 0.02 a tiny model says the same of every clip.
                    for parameter in model.parameters():
                        parameter.add_(0.1 * torch.randn(parameter.shape))
                model.save_pretrained(made[name])
                extractor.save_pretrained(made[name])
        return made[name]

    return saved
