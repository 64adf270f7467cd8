"""The space that a contrastive checkpoint shares with texts, as tasks see it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from earmark.annotate.vocabulary import VocabularyConfig
from earmark.annotate.vocabulary.build import build_vocabulary
from earmark.audio import AudioError
from earmark.evaluate.joint_space import joint_space_of
from earmark.pretrain.build import build_encoder, build_objective
from earmark.pretrain.checkpoint.checkpoint import Checkpoint, save_checkpoint
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.encoders.config import TransformerConfig
from earmark.pretrain.objectives.config import (
    ContrastiveConfig,
    MultitaskConfig,
    ObjectiveConfig,
    TagsConfig,
)
from earmark.pretrain.objectives.targets import collect_target_specs
from earmark.pretrain.text.config import TextModelConfig
from earmark.records import Example
from factories import new_example

TINY = TransformerConfig(sample_rate=8000, mel_bins=16, dim=8, layers=1, heads=2)
CONTRASTIVE = ContrastiveConfig(model=TextModelConfig(size="mini", bpe_size=300), dim=6)


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    rows: list[Example] = []
    for number in range(4):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, rng.normal(0, 0.1, 2000 * (number + 1)).clip(-1, 1), 8000)
        rows.append(
            new_example(
                id=f"clip-{number}",
                path=str(path),
                name=path.name,
                duration_s=0.25 * (number + 1),
                tags=("noise",),
                tag_ids=(0,),
                summary=f"The sound of number {number}.",
            )
        )
    return rows


def made(config: ObjectiveConfig, examples: list[Example], folder: Path) -> tuple[Path, Encoder]:
    vocabulary = build_vocabulary([["noise"], ["tone"]], VocabularyConfig(size=2, min_df=1))
    materials = collect_target_specs(examples, vocabulary, config)
    encoder = build_encoder(TINY, seed=1)
    objective = build_objective(config, materials, dim=8, seed=1)
    parts = (encoder, objective, vocabulary, materials)
    save_checkpoint(Checkpoint(*parts, TINY, config, 0), folder)
    return folder, encoder.eval()


@pytest.mark.parametrize(
    "config", [CONTRASTIVE, MultitaskConfig(parts=(TagsConfig(), CONTRASTIVE))]
)
def test_a_contrastive_checkpoint_shares_a_space_of_unit_vectors(
    config: ObjectiveConfig, examples: list[Example], tmp_path: Path
) -> None:
    aligned = joint_space_of(*made(config, examples, tmp_path / "model"), tmp_path)
    assert aligned is not None
    audio = aligned.audio(examples)
    texts = aligned.texts([example.summary for example in examples])
    assert audio.shape == texts.shape == (4, 6)
    for vectors in (audio, texts):
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert len({tuple(row.round(4)) for row in audio}) == 4


def test_a_clip_s_vector_does_not_depend_on_what_is_asked_with_it(
    examples: list[Example], tmp_path: Path
) -> None:
    folder, encoder = made(CONTRASTIVE, examples, tmp_path / "model")
    aligned = joint_space_of(folder, encoder, tmp_path)
    again = joint_space_of(folder, encoder, tmp_path / "other")
    assert aligned is not None
    assert again is not None
    together = aligned.audio(examples)
    assert aligned.audio(examples[::-1]) == pytest.approx(together[::-1], abs=1e-5)
    assert again.audio(examples[2:3]) == pytest.approx(together[2:3], abs=1e-5)
    assert aligned.audio([]).shape == (0, 6)


def test_vectors_are_kept_for_other_runs_with_the_same_weights(
    examples: list[Example], tmp_path: Path
) -> None:
    folder, encoder = made(CONTRASTIVE, examples, tmp_path / "model")
    first = joint_space_of(folder, encoder, tmp_path)
    assert first is not None
    together = first.audio(examples)
    for example in examples:
        Path(example.path).unlink()
    again = joint_space_of(folder, encoder, tmp_path)
    assert again is not None
    assert np.array_equal(again.audio(examples), together)
    with torch.no_grad():
        next(iter(encoder.parameters())).add_(1.0)
    other = joint_space_of(folder, encoder, tmp_path)
    assert other is not None
    with pytest.raises(AudioError):
        other.audio(examples)


def test_what_has_learnt_no_texts_shares_none(examples: list[Example], tmp_path: Path) -> None:
    assert joint_space_of(*made(TagsConfig(), examples, tmp_path / "model"), tmp_path) is None
