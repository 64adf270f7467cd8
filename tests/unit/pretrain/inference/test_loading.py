from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from earmark.annotate.vocabulary import Vocabulary
from earmark.config import ConfigError
from earmark.pretrain.config import AdamWConfig, PretrainConfig
from earmark.pretrain.encoders.config import TransformerConfig
from earmark.pretrain.inference.load import load_encoder
from earmark.pretrain.inference.tagger import load_tagger
from earmark.pretrain.loop.trainer import pretrain
from earmark.pretrain.objectives.config import TagsConfig
from earmark.records import Example
from earmark.workspace import Workspace

Make = Callable[..., list[Example]]


@pytest.fixture
def workspace(
    tmp_path: Path, vocabulary: Vocabulary, tiny_encoder: TransformerConfig, make_examples: Make
) -> Workspace:
    workspace = Workspace(tmp_path / "workspace")
    stage = workspace.stage("pretrain", "some settings")
    config = PretrainConfig(
        steps=40,
        batch_s=4.0,
        max_clip_s=2.0,
        optimizer=AdamWConfig(lr=3e-3, objective_lr=3e-3, warmup_steps=2),
        device="cpu",
    )
    examples = make_examples(16)
    pretrain(examples, vocabulary, tiny_encoder, TagsConfig(), config, stage.folder, seed=0)
    workspace.record_run({}, {"pretrain": stage})
    return workspace


def test_an_encoder_is_found_from_a_workspace_a_stage_or_a_checkpoint(
    workspace: Workspace, make_examples: Make
) -> None:
    files = [clip.path for clip in make_examples(3, "test")]
    (stage,) = workspace.root.glob("pretrain-*")
    vectors = [load_encoder(p).embed(files) for p in (workspace.root, str(stage))]
    vectors.append(load_encoder(stage / "checkpoint").embed(files))
    for other in vectors[1:]:
        np.testing.assert_array_equal(vectors[0], other)


def test_labels_are_sorted_probabilities_of_the_vocabulary(
    workspace: Workspace, vocabulary: Vocabulary, make_examples: Make
) -> None:
    tagger = load_tagger(workspace.root)
    noise, tone = make_examples(2, "test")
    found = tagger.label([noise.path, Path(tone.path)], top=3)
    for labels in found:
        scores = [score for _, score in labels]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)
        assert {tag for tag, _ in labels} <= set(vocabulary.tags)
        assert len(labels) == 3
    assert {tag for tag, _ in found[0][:2]} == {"noise", "quiet"}
    assert {tag for tag, _ in found[1][:2]} == {"tone", "high"}
    assert len(tagger.label([tone.path], top=1000)[0]) == len(vocabulary)
    assert tagger.label([]) == []
    with pytest.raises(ValueError, match="top = 0"):
        tagger.label([tone.path], top=0)


def test_what_is_no_checkpoint_is_explained(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a folder"):
        load_encoder(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="holds neither"):
        load_encoder(tmp_path)
    (stage,) = workspace.root.glob("pretrain-*")
    (stage / "checkpoint").rename(stage / "gone")
    with pytest.raises(ConfigError, match="has not finished"):
        load_encoder(workspace.root)
    scanned = Workspace(tmp_path / "scanned")
    scanned.record_run({}, {"scan": scanned.stage("scan")})
    with pytest.raises(ConfigError, match=r"no pretrain stage \(it ran: scan\)"):
        load_encoder(scanned.root)


def test_settings_out_of_range_are_named(tiny_encoder: TransformerConfig) -> None:
    with pytest.raises(ConfigError, match=r"heads = 3 does not divide dim = 16.* 2"):
        msgspec.structs.replace(tiny_encoder, heads=3)
    with pytest.raises(ConfigError, match=r"lr = 0\.0: expected a value > 0"):
        AdamWConfig(lr=0.0)
    with pytest.raises(ConfigError, match="cannot hold a clip"):
        PretrainConfig(batch_s=5.0, max_clip_s=10.0)


def test_another_vocabulary_is_refused_and_can_be_mapped_to(
    workspace: Workspace, vocabulary: Vocabulary, make_examples: Make, tmp_path: Path
) -> None:
    (file,) = [clip.path for clip in make_examples(1, "test")]
    own, other = tmp_path / "own.json", tmp_path / "label_3.txt"
    vocabulary.save(own)
    first, second = vocabulary.tags[:2]
    other.write_text(f"{second}\nnever heard\n{first}\n")
    (expected,) = load_tagger(workspace.root, own).probabilities([file])

    with pytest.raises(ConfigError, match=r"2 of \d+ tags are the same.*--as-vocabulary"):
        load_tagger(workspace.root, other)
    mapped = load_tagger(workspace.root, other, mapped=True)
    assert mapped.tags == (second, first)
    np.testing.assert_array_equal(mapped.probabilities([file])[0], expected[[1, 0]])
    assert {tag for tag, _ in mapped.label([file])[0]} == {first, second}

    other.write_text("never heard\n")
    with pytest.raises(ConfigError, match=r"0 of \d+ tags are the same"):
        load_tagger(workspace.root, other, mapped=True)
    with pytest.raises(ConfigError, match="mapped to what"):
        load_tagger(workspace.root, mapped=True)
