"""What the evaluate stage's settings notice, without torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from earmark.corpora.synthetic import SyntheticConfig
from earmark.evaluate import config
from earmark.evaluate.config import (
    CheckpointChoice,
    EvaluateConfig,
    ExternalChoice,
    QuestionTaskConfig,
)
from earmark.evaluate.fingerprints import model_digests, source_code_digest
from earmark.pretrain.encoders.config import HuggingFaceConfig
from earmark.recipe import Recipe
from earmark.stages.base import BackendCache
from earmark.stages.evaluate import EvaluateStage


def model(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text('{"format": 1}')
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def rewrite(path: Path, content: bytes) -> None:
    """Write as many bytes, a second later."""
    modified_ns = path.stat().st_mtime_ns
    path.write_bytes(content)
    os.utime(path, ns=(modified_ns, modified_ns + 10**9))


def test_other_weights_at_a_known_path_are_another_encoder(tmp_path: Path) -> None:
    folders = {name: model(tmp_path / name) for name in ("ours", "theirs", "language")}
    config = EvaluateConfig(
        encoders={
            "ours": CheckpointChoice(path=str(folders["ours"])),
            "theirs": HuggingFaceConfig(model=str(folders["theirs"])),
        },
        questions=(QuestionTaskConfig(model=str(folders["language"])),),
    )
    before = model_digests(config)
    assert model_digests(config) == before
    for name, key in zip(folders, before, strict=True):
        rewrite(folders[name] / "model.safetensors", b"WEIGHTS")
        after = model_digests(config)
        assert [each for each in before if before[each] != after[each]] == [key]
        before = after


def test_a_name_on_a_hub_is_no_folder_and_a_checkpoint_may_be_missing(tmp_path: Path) -> None:
    config = EvaluateConfig(
        encoders={"gone": CheckpointChoice(path=str(tmp_path / "gone"))},
        questions=(QuestionTaskConfig(model="someone/model"),),
    )
    assert model_digests(config) == {"encoders.gone": "absent", "questions.questions": ""}


def test_edited_source_is_another_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "invented_encoders"
    (package / "deep").mkdir(parents=True)
    for path in (package / "__init__.py", package / "deep/__init__.py", package / "deep/one.py"):
        path.write_text("raise AssertionError('not to be imported')")
    targets = [f"invented_encoders{inner}:One" for inner in ("", ".deep", ".deep.one")]
    before = [source_code_digest(target) for target in targets]
    assert "absent" not in before
    (package / "deep/one.py").write_text("edited")
    assert all(a != b for a, b in zip(before, map(source_code_digest, targets), strict=True))
    assert source_code_digest("no_such_module_anywhere:One") == "absent"
    assert source_code_digest("invented_encoders.none.at_all:One") == "absent"
    config = EvaluateConfig(encoders={"mine": ExternalChoice(target=targets[2])})
    assert model_digests(config) == {"encoders.mine": source_code_digest(targets[2])}


def test_the_stage_is_told_of_models_and_of_its_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = model(tmp_path / "ours")
    evaluation = EvaluateConfig(encoders={"ours": CheckpointChoice(path=str(folder))})
    recipe = Recipe(corpus=SyntheticConfig(), evaluate=evaluation)
    stage = EvaluateStage(recipe, BackendCache())
    seen = [stage.settings()]
    rewrite(folder / "model.safetensors", b"WEIGHTS")
    seen.append(stage.settings())
    monkeypatch.setattr(config, "EVALUATION_VERSION", config.EVALUATION_VERSION + 1)
    seen.append(stage.settings())
    assert seen[0] != seen[1] != seen[2] != seen[0]
    elsewhere = replace(
        recipe, evaluate=replace(evaluation, device="cpu", cache_block=3, datasets="elsewhere")
    )
    assert EvaluateStage(elsewhere, BackendCache()).settings() == seen[2]


def test_torch_is_not_imported_for_it() -> None:
    code = """
import sys
from earmark.evaluate.config import EvaluateConfig, ExternalChoice
from earmark.evaluate.fingerprints import model_digests
from earmark.evaluate.fingerprints import task_data_digests
target = "earmark.pretrain.encoders.log_mel_stats:LogMelStatistics"
config = EvaluateConfig(encoders={"one": ExternalChoice(target=target)})
assert model_digests(config)["encoders.one"] != "absent"
task_data_digests(config)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
