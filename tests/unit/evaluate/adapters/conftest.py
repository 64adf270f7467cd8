"""Tiny checkpoints at 16 kHz, and clips of two kinds that any encoder tells apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.annotate.vocabulary import VocabularyConfig
from earmark.annotate.vocabulary.build import build_vocabulary
from earmark.pretrain.build import build_encoder, build_objective
from earmark.pretrain.checkpoint.checkpoint import Checkpoint, save_checkpoint
from earmark.pretrain.encoders.config import TransformerConfig
from earmark.pretrain.objectives.config import ContrastiveConfig, ObjectiveConfig, TagsConfig
from earmark.pretrain.objectives.targets import collect_target_specs
from earmark.pretrain.text.config import TextModelConfig
from earmark.records import Example
from factories import new_example

RATE = 16000
TAGS = TagsConfig()
Clips = tuple[list[np.ndarray], list[int]]


@pytest.fixture
def make_checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Return a function from an objective, a seed and a sample rate to a checkpoint's folder."""
    torch.set_num_threads(1)

    def make(config: ObjectiveConfig = TAGS, seed: int = 0, sample_rate: int = RATE) -> Path:
        encoder_config = TransformerConfig(
            sample_rate=sample_rate, mel_bins=24, dim=16, layers=1, heads=2, stem_channels=(4, 8)
        )
        vocabulary = build_vocabulary(
            [["tone", "high"], ["noise", "low"]] * 2, VocabularyConfig(size=4, min_df=1)
        )
        materials = collect_target_specs(_examples(), vocabulary, config)
        encoder = build_encoder(encoder_config, seed=seed)
        objective = build_objective(config, materials, dim=encoder.dim, seed=seed)
        folder = tmp_path / f"checkpoint-{len(list(tmp_path.glob('checkpoint-*')))}"
        save_checkpoint(
            Checkpoint(encoder, objective, vocabulary, materials, encoder_config, config, 1), folder
        )
        return folder

    return make


@pytest.fixture(scope="session")
def contrastive() -> ContrastiveConfig:
    return ContrastiveConfig(model=TextModelConfig(size="mini", bpe_size=300, max_tokens=24), dim=8)


@pytest.fixture(scope="session")
def clips() -> Callable[..., Clips]:
    """Return a function from a count and a sample rate to clips: 0 a tone, 1 a noise, in turn."""

    def make(count: int, rate: int = RATE) -> Clips:
        rng = np.random.default_rng(count)
        waves = list[np.ndarray]()
        for number in range(count):
            time_s = np.arange(round(rate * rng.uniform(0.5, 0.9))) / rate
            tone = 0.3 * np.sin(2 * np.pi * rng.uniform(500, 700) * time_s)
            wave = 0.1 * rng.normal(size=len(time_s)) if number % 2 else tone
            waves.append(wave.astype(np.float32))
        return waves, [number % 2 for number in range(count)]

    return make


def _examples() -> list[Example]:
    return [
        new_example(
            id=f"{number}",
            path=f"{number}.wav",
            name=f"{number}.wav",
            tags=(tag,),
            tag_ids=(0,),
            caption=f"The sound of a {tag}.",
            summary=f"The sound of a {tag}.",
        )
        for number, tag in enumerate(("tone", "noise", "tone", "noise"))
    ]
