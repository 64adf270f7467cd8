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
from earmark.pretrain.checkpoint.checkpoint import (
    Checkpoint,
    atomic_folder,
    load_checkpoint,
    read_tensors,
    save_checkpoint,
    write_tensors,
)
from earmark.pretrain.checkpoint.folder import read_target_specs, write_target_specs
from earmark.pretrain.encoders.config import TransformerConfig
from earmark.pretrain.objectives.config import TagsConfig
from earmark.pretrain.objectives.targets import ClassSpec, TargetSpec, TargetSpecs, collect_classes


@pytest.fixture
def folder(tmp_path: Path, vocabulary: Vocabulary, tiny_encoder: TransformerConfig) -> Path:
    encoder = build_encoder(tiny_encoder, seed=3)
    classes = collect_classes([], vocabulary, "")
    materials = TargetSpecs(parts=(TargetSpec(classes=classes),))
    objective = build_objective(TagsConfig(), materials, dim=encoder.dim, seed=3)
    path = tmp_path / "checkpoint"
    model = Checkpoint(encoder, objective, vocabulary, materials, tiny_encoder, TagsConfig(), 42)
    save_checkpoint(model, path)
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
        "materials.json",
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


@pytest.mark.parametrize(
    "file", ["model.safetensors", "objective.safetensors", "config.json", "materials.json"]
)
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
    with pytest.raises(ConfigError, match=r"model\.safetensors cannot.*copy the checkpoint"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 1}, "reads 2"),
        ({"encoder": {"kind": "conformer"}}, "does not describe a checkpoint"),
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
        with atomic_folder(target) as temporary:
            (temporary / "half").write_text("")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert not target.exists()
    with atomic_folder(target) as temporary:
        assert list(temporary.iterdir()) == []
        (temporary / "whole").write_text("")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    shutil.rmtree(target)


def test_a_folder_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with atomic_folder(tmp_path / "best") as temporary:
            (temporary / "inner").mkdir()
            (temporary / "inner" / "file").write_text(text)
            for leftover in ("best.old", "best.tmp/x"):  # as kills leave them
                (tmp_path / leftover).mkdir(exist_ok=True)
    assert (tmp_path / "best" / "inner" / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


def test_a_crash_between_two_names_costs_no_checkpoint(tmp_path: Path) -> None:
    folder, old = tmp_path / "best", tmp_path / "best.old"
    old.mkdir()
    (old / "file").write_text("good")

    def fail() -> None:
        with atomic_folder(folder):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert (folder / "file").read_text() == "good"
    assert not old.exists()


def test_tied_weights_are_written_under_both_names(tmp_path: Path) -> None:
    whole = torch.arange(6.0).view(2, 3)
    tensors = {"words": whole, "head": whole, "row": whole[1], "column": whole[:, 0]}
    write_tensors(tmp_path / "tied.safetensors", tensors)
    read = read_tensors(tmp_path / "tied.safetensors")
    assert read.keys() == tensors.keys()
    for name, value in tensors.items():
        assert torch.equal(read[name], value), name


def test_word_pieces_are_read_by_other_tools_too(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    from earmark.pretrain.text.config import TextModelConfig
    from earmark.pretrain.text.tokenizer import Tokenizer, build_tokenizer_spec

    words = build_tokenizer_spec([["a dog barks", "a dog runs"]], TextModelConfig(bpe_size=300))
    classes = ClassSpec(names=("dog",), counts=(1,), clips=1)
    parts = (TargetSpec(classes=classes), TargetSpec(words=words))
    write_target_specs(TargetSpecs(parts=parts), tmp_path)
    assert read_target_specs(tmp_path) == TargetSpecs(parts=parts)
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path / "tokenizers" / "1")
    ours = Tokenizer(words, 64)
    assert loaded("a dog barks")["input_ids"] == ours.encode(["a dog barks"]).ids[0].tolist()
    assert (loaded.pad_token_id, loaded.mask_token_id) == (ours.pad_id, ours.mask_id)
    (tmp_path / "tokenizers" / "1" / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"not a whole checkpoint.*tokenizer\.json"):
        read_target_specs(tmp_path)
