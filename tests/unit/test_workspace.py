"""A folder a stage: found again by its fingerprint, written by one process, done or not done."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from earmark.config import ConfigError
from earmark.io import write_text
from earmark.workspace import Workspace, is_workspace, software_versions, source_commit


def test_a_stage_is_named_by_what_it_is_made_from(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    stage = workspace.stage("scan", {"corpus": "3f9a"}, 0.1)
    assert stage.folder == tmp_path / f"scan-{stage.fingerprint}"
    assert workspace.stage("scan", {"corpus": "3f9a"}, 0.1).folder == stage.folder
    assert workspace.stage("scan", {"corpus": "3f9a"}, 0.2).folder != stage.folder
    assert workspace.stage("caption", {"corpus": "3f9a"}, 0.1).fingerprint != stage.fingerprint
    assert not any(tmp_path.iterdir()), "asking for a stage writes nothing"


def test_a_stage_is_done_once_it_is_sealed(tmp_path: Path) -> None:
    stage = Workspace(tmp_path).stage("scan")
    with stage.writing():
        assert not stage.done
        stage.file("clips.parquet").write_bytes(b"rows")
        counts = {"in": 3, "out": 2, "scan: silent": 1}
        stage.seal(settings={"a": 1}, inputs={"corpus": "3f9a"}, counts=counts, duration_s=1.23456)
    assert stage.done
    provenance = stage.provenance()
    assert provenance["counts"] == counts
    assert provenance["inputs"] == {"corpus": "3f9a"}
    assert provenance["settings"] == {"a": 1}
    assert provenance["fingerprint"] == stage.fingerprint
    assert provenance["duration_s"] == 1.235
    assert provenance["versions"]["python"] == software_versions()["python"]


def test_two_writers_are_kept_apart(tmp_path: Path) -> None:
    stage, same = (Workspace(tmp_path).stage("scan") for _ in range(2))
    holder = f"is being written by process {os.getpid()} on "
    with stage.writing(), pytest.raises(ConfigError, match=holder):
        same.writing().__enter__()
    with same.writing():
        pass


def test_a_killed_writer_leaves_no_lock(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path;"
        "from earmark.workspace import Workspace;"
        "Workspace(Path(sys.argv[1])).stage('scan').writing().__enter__();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    stage = Workspace(tmp_path).stage("scan")
    assert stage.file("lock").exists()
    with stage.writing():
        pass


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ConfigError, match=r"cannot write to .*file.*: Not a directory"):
        Workspace(tmp_path / "file").stage("scan").writing().__enter__()


def test_the_latest_run_is_remembered(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "new")
    stage = workspace.stage("scan", 1)
    workspace.record_run({"seed": 0}, {"scan": stage})
    recipe, stages = workspace.latest_run()
    assert recipe == {"seed": 0}
    assert stages["scan"].folder == stage.folder
    assert stages["scan"].fingerprint == stage.fingerprint


def test_later_stages_are_kept_for_the_same_recipe_only(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    scan, tag = workspace.stage("scan"), workspace.stage("tag")
    workspace.record_run({"seed": 0}, {"scan": scan, "tag": tag})
    workspace.record_run({"seed": 0}, {"scan": scan})
    assert set(workspace.latest_run()[1]) == {"scan", "tag"}
    workspace.record_run({"seed": 1}, {"scan": scan})
    assert set(workspace.latest_run()[1]) == {"scan"}


@pytest.mark.parametrize("content", [None, b"", b"\x00\xff", b"[]", b'{"recipe": {}}'])
def test_a_folder_without_a_run_is_no_workspace(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    assert not is_workspace(tmp_path)
    with pytest.raises(ConfigError, match=r"holds no run yet. Start one: earmark run RECIPE -w"):
        Workspace(tmp_path).latest_run()
    Workspace(tmp_path).record_run({}, {})
    assert is_workspace(tmp_path)


def test_text_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\udce9")
    assert path.read_text() == "old"
    write_text(path, "caf\u00e9 \U0001f3b5")
    assert path.read_text("utf-8") == "caf\u00e9 \U0001f3b5"


def test_records_are_readable_json(tmp_path: Path) -> None:
    Workspace(tmp_path).record_run({"corpus": {"path": "/sounds"}}, {})
    text = (tmp_path / "run.json").read_text()
    assert msgspec.json.decode(text) == {"recipe": {"corpus": {"path": "/sounds"}}, "stages": {}}
    assert text.count("\n") > 3


def test_the_commit_is_that_of_the_checkout_if_there_is_one() -> None:
    commit = source_commit()
    assert commit is None or re.fullmatch(r"[0-9a-f]{12}(-dirty)?", commit)
    assert software_versions().get("commit") == commit
