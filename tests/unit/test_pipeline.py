"""Fingerprints, skipping and limits of the pipeline, on stages that need no model."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark.annotate.backends.lexical import LexicalConfig
from earmark.annotate.backends.scripted import ScriptedConfig
from earmark.config import ConfigError
from earmark.corpora.table import TableConfig
from earmark.pipeline import estimate, run, warn_unfinished
from earmark.recipe import Recipe, load_recipe, open_recipe
from earmark.records import Clip
from earmark.stages import DEFAULT_STAGES
from earmark.tables import read_parquet
from earmark.workspace import StageError, StageFolder, Workspace
from factories import new_recipe


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    folder.mkdir()
    for pitch in range(200, 2200, 200):
        wave = 0.3 * np.sin(2 * np.pi * pitch * np.arange(8000) / 16000)
        soundfile.write(folder / f"{pitch}.wav", wave, 16000)
    return folder


def test_a_second_run_does_nothing_again(sounds: Path, tmp_path: Path) -> None:
    run(new_recipe(sounds), tmp_path / "ws", until="manifest")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("ws/*/done")}
    assert len(before) == DEFAULT_STAGES.index("manifest") + 1
    run(new_recipe(sounds), tmp_path / "ws", until="manifest")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("ws/*/done")} == before


def test_a_changed_setting_redoes_only_what_reads_it(sounds: Path, tmp_path: Path) -> None:
    run(new_recipe(sounds), tmp_path / "ws", until="manifest")
    run(new_recipe(sounds, "vocabulary.size=1"), tmp_path / "ws", until="manifest")
    made = [path.parent.name.rpartition("-")[0] for path in tmp_path.glob("ws/*/done")]
    till_manifest = DEFAULT_STAGES[: DEFAULT_STAGES.index("manifest") + 1]
    assert sorted(made) == sorted([*till_manifest, "vocabulary", "manifest"])


def test_the_audit_is_made_only_where_it_is_asked_for(sounds: Path, tmp_path: Path) -> None:
    workspace = run(new_recipe(sounds), tmp_path / "ws", until="manifest")
    assert "audit" not in workspace.latest_run()[1]
    run(new_recipe(sounds), tmp_path / "ws", until="audit")
    workspace = run(new_recipe(sounds), tmp_path / "ws", until="manifest")
    stages = workspace.latest_run()[1]
    assert {"audit", "manifest"} <= stages.keys()
    assert all(stage.done for stage in stages.values())


def test_a_comment_in_a_decisions_file_changes_nothing(sounds: Path, tmp_path: Path) -> None:
    decided = tmp_path / "decisions.toml"
    decided.write_text('ban = ["loud"]\n')
    settings = f"vocabulary.decisions={decided}"
    run(new_recipe(sounds, settings), tmp_path / "ws", until="vocabulary")
    decided.write_text('# as agreed\nban = ["loud"]\n')
    run(new_recipe(sounds, settings), tmp_path / "ws", until="vocabulary")
    assert len(list(tmp_path.glob("ws/vocabulary-*"))) == 1
    decided.write_text('ban = ["quiet"]\n')
    run(new_recipe(sounds, settings), tmp_path / "ws", until="vocabulary")
    assert len(list(tmp_path.glob("ws/vocabulary-*"))) == 2


def test_a_new_file_is_seen(sounds: Path, tmp_path: Path) -> None:
    run(new_recipe(sounds), tmp_path / "ws", until="scan")
    soundfile.write(sounds / "new.wav", 0.1 * np.ones(8000) * np.arange(8000) % 0.2, 16000)
    workspace = run(new_recipe(sounds), tmp_path / "ws", until="scan")
    assert workspace.latest_run()[1]["scan"].provenance()["counts"]["out"] == 11


def test_a_workspace_that_is_gone_on_with_is_not_listed_anew(sounds: Path, tmp_path: Path) -> None:
    run(new_recipe(sounds), tmp_path / "ws", until="scan")
    soundfile.write(sounds / "new.wav", 0.1 * np.ones(8000) * np.arange(8000) % 0.2, 16000)
    same, root, new = open_recipe(str(tmp_path / "ws"), [], tmp_path)
    workspace = run(same, root, until="caption", relist=new)
    assert workspace.latest_run()[1]["caption"].provenance()["counts"]["out"] == 10
    other, root, new = open_recipe(str(tmp_path / "ws"), [f"corpus.path={tmp_path}"], tmp_path)
    workspace = run(other, root, until="scan", relist=new)
    assert workspace.latest_run()[1]["scan"].provenance()["counts"]["out"] == 11


def test_the_run_is_recorded(sounds: Path, tmp_path: Path) -> None:
    workspace = run(new_recipe(sounds), tmp_path / "ws", until="tag")
    resolved, stages = workspace.latest_run()
    assert resolved["captioner"]["default"].startswith("A tone.")
    assert stages["caption-raw"].provenance()["settings"] == resolved["captioner"]
    assert list(stages) == ["corpus", "scan", "caption-raw", "caption", "tag-raw", "tag"]
    run(new_recipe(sounds), tmp_path / "ws", until="scan")
    assert list(Workspace(tmp_path / "ws").latest_run()[1]) == list(stages)
    for stage in stages.values():
        counts = stage.provenance()["counts"]
        assert counts["in"] == sum(counts.values()) - counts["in"]


def test_too_many_rejections_stop_the_run(sounds: Path, tmp_path: Path) -> None:
    for name in "abcdefghijkl":
        (sounds / f"{name}.wav").write_text(f"no audio {name}")
    with pytest.raises(StageError, match=r"12 of 22 rows were rejected .*undecodable.* 50%"):
        run(new_recipe(sounds), tmp_path / "ws", until="scan")
    run(new_recipe(sounds, "max_rejected=0.6"), tmp_path / "ws", until="scan")


def test_clips_without_tags_are_counted(sounds: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    scan = run(new_recipe(sounds), tmp_path / "ws", until="scan").latest_run()[1]["scan"]
    clip = read_parquet(scan.file("clips.parquet"), Clip)[0]
    answers.write_text(json.dumps({"id": clip.id, "text": "[]"}) + "\n")
    again = new_recipe(sounds, f"tagger.path={answers}")
    workspace = run(again, tmp_path / "ws", until="tag")
    assert workspace.latest_run()[1]["tag"].provenance()["counts"] == {
        "in": 10,
        "out": 9,
        "tag: no tags to be read": 1,
    }


def test_a_probe_on_an_unknown_label_is_found_after_the_scan(sounds: Path, tmp_path: Path) -> None:
    task = 'evaluate.tasks=[{name = "kind", label = "knid"}]'
    with pytest.raises(ValueError, match="knid"):
        run(new_recipe(sounds, task), tmp_path / "ws", until="tag")
    assert not list(tmp_path.glob("ws/caption-[0-9a-f]*"))


def test_a_folder_does_not_hide_a_shipped_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    assert load_recipe("demo").corpus.build().fingerprint()


def test_clips_that_the_captioner_would_refuse_are_found_in_the_recipe(sounds: Path) -> None:
    served = ["captioner.kind=endpoint", "captioner.model=m", 'captioner.urls=["http://h/v1"]']
    with pytest.raises(ConfigError, match=r"Set scan.window_s = 30, and longer files are cut"):
        load_recipe("folder", [f"corpus.path={sounds}", *served])
    load_recipe("folder", [f"corpus.path={sounds}", *served, "scan.window_s=30"])


def test_what_failed_is_not_asked_again_once_it_is_little_enough(
    sounds: Path, tmp_path: Path
) -> None:
    """Raising max_rejected concludes the step with the answers that there are."""
    script = tmp_path / "answers.jsonl"
    scan = run(new_recipe(sounds), tmp_path / "ws", until="scan").latest_run()[1]["scan"]
    clips = read_parquet(scan.file("clips.parquet"), Clip)
    lines = [json.dumps({"id": clip.id, "refusal": "no"}) for clip in clips[:6]]
    script.write_text("\n".join(lines) + "\n")
    some = f"captioner.path={script}"
    with pytest.raises(StageError, match=r"6 of 10 rows were rejected \(6 caption-raw: no\)"):
        run(new_recipe(sounds, some), tmp_path / "ws", until="caption")
    workspace = run(new_recipe(sounds, some, "max_rejected=0.7"), tmp_path / "ws", until="caption")
    counts = workspace.latest_run()[1]["caption-raw"].provenance()["counts"]
    assert counts == {"in": 10, "out": 4, "caption-raw: no": 6}


def test_an_estimate_does_not_pay_for_the_step_before(sounds: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="caption-raw has not finished \\(it was not begun"):
        estimate(new_recipe(sounds), tmp_path / "ws", of="tag-raw")
    assert not list(tmp_path.glob("ws/caption-raw-*"))


def test_a_missing_key_is_found_before_the_first_file_is_read(sounds: Path, tmp_path: Path) -> None:
    served = ["captioner.kind=endpoint", "captioner.model=m", 'captioner.urls=["http://h/v1"]']
    keyed = [*served, "captioner.api_key_variable=EARMARK_NO_SUCH_KEY", "scan.window_s=30"]
    with pytest.raises(ConfigError, match="EARMARK_NO_SUCH_KEY is not set"):
        run(load_recipe("folder", [f"corpus.path={sounds}", *keyed]), tmp_path / "ws")
    assert not list(tmp_path.glob("ws/corpus-*"))


def test_nothing_secret_gets_as_far_as_the_record_of_the_run(sounds: Path, tmp_path: Path) -> None:
    served = ["captioner.kind=endpoint", "captioner.model=m", 'captioner.urls=["http://h/v1"]']
    for secret in ("captioner.api_key_variable=sk-abc", 'captioner.urls=["http://u:pw@h/v1"]'):
        with pytest.raises(ConfigError):
            load_recipe("folder", [f"corpus.path={sounds}", *served, secret, "scan.window_s=30"])


def test_a_corpus_that_offers_nothing_says_why(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("path\n/elsewhere/a.wav\n/elsewhere/b.wav\n")
    recipe = Recipe(corpus=TableConfig(path=str(tmp_path / "table.csv")))
    with pytest.raises(
        StageError, match=r"none of 2 rows.*2 corpus: outside audio_root.*audio_root"
    ):
        run(recipe, tmp_path / "w", until="scan")


def stage_folder(
    root: Path, name: str, digest: str, *, begun: bool, done: bool = False
) -> StageFolder:
    made = StageFolder(name, digest, root / f"{name}-{digest}")
    if begun:
        made.folder.mkdir()
    if done:
        made.seal(settings={}, inputs={}, counts={"in": 1, "out": 1}, duration_s=0.0)
    return made


def test_a_half_done_stage_that_is_left_is_told_with_what_changed(tmp_path: Path) -> None:
    began = {
        "scan": stage_folder(tmp_path, "scan", "1", begun=True, done=True),
        "pretrain": stage_folder(tmp_path, "pretrain", "2", begun=True),
    }
    planned = began | {"pretrain": stage_folder(tmp_path, "pretrain", "3", begun=False)}
    before = {"pretrain": {"batch_s": 60.0, "steps": 5}, "seed": 0}
    now = {"pretrain": {"batch_s": 30.0, "steps": 5}, "seed": 0}
    told = warn_unfinished(before, began, now, planned)
    assert "pretrain-2 was begun" in told
    assert "pretrain.batch_s was 60.0, now 30.0)" in told
    assert "pretrain-3" in told


def test_what_is_done_or_gone_on_with_is_not_told(tmp_path: Path) -> None:
    began = {"pretrain": stage_folder(tmp_path, "pretrain", "2", begun=True)}
    assert warn_unfinished({}, began, {}, began) == ""
    finished = {"pretrain": stage_folder(tmp_path, "pretrain", "4", begun=True, done=True)}
    planned = {"pretrain": stage_folder(tmp_path, "pretrain", "3", begun=False)}
    assert warn_unfinished({}, finished, {}, planned) == ""
    assert warn_unfinished({}, {}, {}, planned) == ""


def test_a_backend_is_built_once(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = Counter[str]()
    for kind in (ScriptedConfig, LexicalConfig):
        build = kind.build

        def counted(self: Any, name: str = kind.__name__, build: Any = build) -> Any:
            built[name] += 1
            return build(self)

        monkeypatch.setattr(kind, "build", counted)
    lexical = new_recipe(sounds, "tagger={kind='lexical'}")
    run(lexical, tmp_path / "ws", until="tag")
    assert built == {"ScriptedConfig": 1, "LexicalConfig": 1}
