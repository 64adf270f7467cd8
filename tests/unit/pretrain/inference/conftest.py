"""Checkpoints with random weights, one for each objective."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch

from earmark.annotate.vocabulary import Vocabulary
from earmark.pretrain.build import build_encoder, build_objective
from earmark.pretrain.checkpoint.checkpoint import Checkpoint, save_checkpoint
from earmark.pretrain.encoders.config import EncoderConfig, TransformerConfig
from earmark.pretrain.objectives.config import ObjectiveConfig
from earmark.pretrain.objectives.targets import collect_target_specs
from earmark.records import Example


@pytest.fixture
def make_checkpoint(
    tmp_path: Path,
    vocabulary: Vocabulary,
    tiny_encoder: TransformerConfig,
    make_examples: Callable[..., list[Example]],
) -> Callable[..., Path]:
    """Return a function from an objective's settings (and an encoder's) to a checkpoint."""
    torch.set_num_threads(1)

    def make(
        config: ObjectiveConfig, encoder_config: EncoderConfig = tiny_encoder, seed: int = 0
    ) -> Path:
        examples = [
            msgspec.structs.replace(
                clip,
                summary=f"The sound of {clip.tags[0]}.",
                labels={"kind": (clip.tags[0].upper(),)},
            )
            for clip in make_examples(4)
        ]
        materials = collect_target_specs(examples, vocabulary, config)
        encoder = build_encoder(encoder_config, seed=seed)
        objective = build_objective(config, materials, dim=encoder.dim, seed=seed)
        folder = tmp_path / f"checkpoint-{len(list(tmp_path.glob('checkpoint-*')))}"
        save_checkpoint(
            Checkpoint(encoder, objective, vocabulary, materials, encoder_config, config, 1), folder
        )
        return folder

    return make
