from __future__ import annotations

from pathlib import Path

from earmark.abandoned import abandoned
from earmark.workspace import Stage


def stage(root: Path, name: str, digest: str, *, begun: bool, done: bool = False) -> Stage:
    made = Stage(name, digest, root / f"{name}-{digest}")
    if begun:
        made.folder.mkdir()
    if done:
        made.seal(settings={}, inputs={}, counts={"in": 1, "out": 1}, duration_s=0.0)
    return made


def test_a_half_done_stage_that_is_left_is_told_with_what_changed(tmp_path: Path) -> None:
    began = {
        "scan": stage(tmp_path, "scan", "1", begun=True, done=True),
        "pretrain": stage(tmp_path, "pretrain", "2", begun=True),
    }
    planned = began | {"pretrain": stage(tmp_path, "pretrain", "3", begun=False)}
    before = {"pretrain": {"batch_s": 60.0, "steps": 5}, "seed": 0}
    now = {"pretrain": {"batch_s": 30.0, "steps": 5}, "seed": 0}
    told = abandoned(before, began, now, planned)
    assert "pretrain-2 was begun" in told
    assert "pretrain.batch_s was 60.0, now 30.0)" in told
    assert "pretrain-3" in told


def test_what_is_done_or_gone_on_with_is_not_told(tmp_path: Path) -> None:
    began = {"pretrain": stage(tmp_path, "pretrain", "2", begun=True)}
    assert abandoned({}, began, {}, began) == ""
    finished = {"pretrain": stage(tmp_path, "pretrain", "4", begun=True, done=True)}
    planned = {"pretrain": stage(tmp_path, "pretrain", "3", begun=False)}
    assert abandoned({}, finished, {}, planned) == ""
    assert abandoned({}, {}, {}, planned) == ""
