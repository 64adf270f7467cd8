"""The model card: what it says, and that probes come and go without touching the rest."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from earmark.annotate.vocabulary import Vocabulary
from earmark.config import ConfigError
from earmark.pretrain.build import build_encoder, build_objective
from earmark.pretrain.checkpoint.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from earmark.pretrain.checkpoint.model_card import (
    NO_PROBES,
    TrainingData,
    TrainingSummary,
    describe_training_data,
    set_probes,
    write_model_card,
)
from earmark.pretrain.config import PretrainConfig
from earmark.pretrain.encoders.config import TransformerConfig
from earmark.pretrain.objectives.config import TagsConfig
from earmark.pretrain.objectives.targets import collect_target_specs
from earmark.records import Example

sys.path.insert(0, str(Path(__file__).parent))
import golden_card as golden

PLAIN = TrainingSummary(config=PretrainConfig(), seed=0, parameters=1, objective_parameters=1)


@pytest.fixture
def checkpoint(
    tmp_path: Path,
    vocabulary: Vocabulary,
    tiny_encoder: TransformerConfig,
    make_examples: Callable[..., list[Example]],
) -> Path:
    materials = collect_target_specs(make_examples(2), vocabulary, TagsConfig())
    objective = build_objective(TagsConfig(), materials, dim=tiny_encoder.shape.dim)
    parts = (build_encoder(tiny_encoder), objective, vocabulary, materials)
    save_checkpoint(Checkpoint(*parts, tiny_encoder, TagsConfig(), step=3), tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_the_card_is_the_golden_one() -> None:
    assert golden.render() == golden.PATH.read_text("utf-8"), (
        f"the card has changed; if that is meant: {golden.COMMAND}"
    )


def test_a_card_says_what_the_folder_and_the_run_know(
    checkpoint: Path, vocabulary: Vocabulary, make_examples: Callable[..., list[Example]]
) -> None:
    data = describe_training_data(
        make_examples(3) + make_examples(1, "test"), captioner="a captioner"
    )
    write_model_card(checkpoint, data, PLAIN, chosen="last step")
    card = (checkpoint / "README.md").read_text("utf-8")
    assert card.startswith("---\nlicense: unknown")
    assert "library_name: earmark\n" in card
    assert "| train | 3 |" in card
    assert "| test | 1 |" in card
    assert vocabulary.fingerprint in card
    assert "for 3 steps; these are the weights of the last step." in card
    assert "Captions were written by a captioner." in card
    assert "not stated by the corpus" in card
    assert 'kind = "tags"' in card
    assert NO_PROBES in card
    load_checkpoint(checkpoint)  # which the card does not disturb


def test_a_card_written_again_keeps_its_probes(checkpoint: Path) -> None:
    data = TrainingData(splits=())
    write_model_card(checkpoint, data, PLAIN)
    path = checkpoint / "README.md"
    path.write_text(set_probes(path.read_text("utf-8"), "| ESC-50 | 0.9 |"), "utf-8")
    write_model_card(checkpoint, data, PLAIN, chosen="best step")
    card = path.read_text("utf-8")
    assert "best step" in card
    assert "| ESC-50 | 0.9 |" in card
    assert NO_PROBES not in card


def test_probes_replace_probes_and_nothing_else() -> None:
    card = golden.render()
    once = set_probes(card, "first")
    assert set_probes(set_probes(once, "second"), "first") == once
    assert set_probes(once, NO_PROBES) == card
    assert "second" not in once


def test_a_card_without_marks_gets_a_section() -> None:
    card = set_probes("# My model\n", "| a |")
    assert card.startswith("# My model\n\n## Probes\n")
    assert set_probes(card, "| b |").count("## Probes") == 1


def test_what_is_no_checkpoint_gets_no_card(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a checkpoint"):
        write_model_card(tmp_path, TrainingData(splits=()), PLAIN)
    assert list(tmp_path.iterdir()) == []
