from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from earmark.annotate.vocabulary import Vocabulary, VocabularyConfig
from earmark.annotate.vocabulary.build import build_vocabulary
from earmark.config import ConfigError
from earmark.pretrain.build import build_encoder, build_objective
from earmark.pretrain.checkpoint import Checkpoint, appearing, load_checkpoint, save_checkpoint
from earmark.pretrain.config import TagsConfig, TransformerConfig


@pytest.fixture
def folder(tmp_path: Path, vocabulary: Vocabulary, tiny_encoder: TransformerConfig) -> Path:
    encoder = build_encoder(tiny_encoder, seed=3)
    objective = build_objective(
        TagsConfig(), dim=encoder.dim, vocabulary_size=len(vocabulary), seed=3
    )
    path = tmp_path / "checkpoint"
    save_checkpoint(
        Checkpoint(encoder, objective, vocabulary, tiny_encoder, TagsConfig(), 42), path
    )
    return path


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_was_saved_is_loaded(
    folder: Path, vocabulary: Vocabulary, tiny_encoder: TransformerConfig
) -> None:
    loaded = load_checkpoint(folder)
    fresh = build_encoder(tiny_encoder, seed=3)
    for name, value in loaded.encoder.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name]), name
    assert (loaded.step, loaded.encoder_config) == (42, tiny_encoder)
    assert loaded.vocabulary.fingerprint == vocabulary.fingerprint
    assert not loaded.encoder.training
    assert not loaded.objective.training
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "model.safetensors",
        "objective.safetensors",
        "config.json",
        "vocabulary.json",
    }


def test_fresh_weights_follow_from_the_seed_alone(tiny_encoder: TransformerConfig) -> None:
    torch.manual_seed(1)
    first = build_encoder(tiny_encoder, seed=5).state_dict()
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1)), "building an encoder drew from the caller's stream"
    second = build_encoder(tiny_encoder, seed=5).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = build_encoder(tiny_encoder, seed=6).state_dict()
    assert not torch.equal(first["stem.project.weight"], other["stem.project.weight"])


def test_another_vocabulary_is_refused(folder: Path) -> None:
    build_vocabulary([["a"], ["b"]], VocabularyConfig(min_df=1)).save(folder / "vocabulary.json")
    with pytest.raises(ConfigError, match="was trained on vocabulary"):
        load_checkpoint(folder)


@pytest.mark.parametrize("file", ["model.safetensors", "objective.safetensors", "config.json"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(ConfigError, match=file):
        load_checkpoint(folder)


def test_missing_left_over_and_misshapen_weights_are_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["norm.extra"] = tensors.pop("norm.bias")
    tensors["norm.weight"] = torch.ones(3)
    save_file(tensors, path)
    with pytest.raises(ConfigError) as raised:
        load_checkpoint(folder)
    for words in ("norm.bias is missing", "norm.extra belongs", "is (3,) instead of (16,)"):
        assert words in str(raised.value)


def test_a_damaged_file_is_named(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(ConfigError, match=r"model\.safetensors cannot be read"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 99}, "reads 1"),
        ({"encoder": {"kind": "zipformer"}}, "does not describe a checkpoint"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_an_unreadable_config_says_why(
    folder: Path, changes: dict[str, object], words: str
) -> None:
    edit(folder / "config.json", **changes)
    with pytest.raises(ConfigError, match=words):
        load_checkpoint(folder)


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "new"

    def fail() -> None:
        with appearing(target) as temporary:
            (temporary / "half").write_text("")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert not target.exists()
    with appearing(target) as temporary:
        assert list(temporary.iterdir()) == []
        (temporary / "whole").write_text("")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    shutil.rmtree(target)
