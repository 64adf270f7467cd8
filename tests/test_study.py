"""`earmark study recipes/study-mini.toml`: resumed, robust, and the same table each time."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from earmark.io import file_lock
from earmark.study.config import load_study
from earmark.study.results import DONE, NOT_RUN, read_study
from earmark.study.worker import STOPPED_CODE, read_run_outcome, record_exit

pytest.importorskip("espeakng_loader", reason="the extra `synthetic` is not installed")

MINI = Path(__file__).parents[1] / "recipes" / "study-mini.toml"
FOLDER = "study-study-mini"
FEW = ("corpus.clips=40", "corpus.workers=1", "captioner.workers=1", "tagger.workers=1")
"""What the quick tests change: a corpus for one process."""
CELLS = {("tags", "trained"), ("contrastive", "trained"), ("", "random"), ("", "log-mel")}


def settings(*more: str) -> str:
    """Return the study's own settings with more of them, as an override."""
    own = load_study(str(MINI), [])[1].set
    return "set=[" + ",".join(f"'{each}'" for each in (*own, *more)) + "]"


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "earmark", "study", *map(str, arguments)]


def earmark(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True)


def wait_until(has_come: Callable[[], bool]) -> None:
    """Wait for a moment of a run, two minutes at most."""
    until_s = time.monotonic() + 120
    while not has_come() and time.monotonic() < until_s:
        time.sleep(0.05)


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of one seed, in which the study was stopped in its last run and begun again."""
    root, brief = tmp_path_factory.mktemp("resumed") / "w", ("seeds=[0]", settings(*FEW))
    process = subprocess.Popen(command(MINI, *brief, "-w", root), stderr=subprocess.DEVNULL)
    wait_until(lambda: len(list(root.glob("pretrain-*/log.jsonl"))) == 2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) != 0
    assert len(list(root.glob("evaluate-*/done"))) == 1
    before = stages(root)
    again = earmark(MINI, *brief, "-w", root)
    assert again.returncode == 0, again.stderr
    assert before.items() <= stages(root).items()  # what was done is not done again
    assert "| domain, macro-accuracy |" in again.stdout
    return root


def test_a_resumed_study_ends_in_cells_tables_and_a_page(resumed: Path) -> None:
    study = read_study(resumed / FOLDER)
    runs = [(run.arm, run.seed, run.status) for run in study.runs]
    assert runs == [("tags", 0, DONE), ("contrastive", 0, DONE)]
    audio_s = {run.arm: run.audio_s for run in study.runs}
    assert audio_s["tags"] == pytest.approx(audio_s["contrastive"], rel=0.2)
    cells = {(cell.arm, cell.encoder): cell for cell in study.cells if cell.task == "domain"}
    assert set(cells) == CELLS
    for name in ("table.md", "table.tex", "cells.csv", "runs.csv", "index.html"):
        assert (resumed / FOLDER / name).stat().st_size > 100


@pytest.mark.parametrize(
    ("study", "seeds"),
    [("resumed", 1), pytest.param("finished", 2, marks=pytest.mark.slow)],
)
def test_arms_share_what_they_can(study: str, seeds: int, request: pytest.FixtureRequest) -> None:
    """One corpus, one caption a clip; features of random weights once a seed, log-mel's once."""
    root: Path = request.getfixturevalue(study)
    for stage in ("corpus", "caption-raw", "tag-raw", "manifest"):
        assert len(list(root.glob(f"{stage}-*"))) == 1
    runs = 2 * seeds
    assert len(list(root.glob("pretrain-*"))) == runs
    assert len(list((root / "features").glob("features-*"))) == runs + seeds + 1


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the study has been done."""
    root = tmp_path_factory.mktemp("study") / "w"
    done = earmark(MINI, "-w", root)
    assert done.returncode == 0, done.stderr
    assert "| domain, macro-accuracy |" in done.stdout
    return root


def without_runs(finished: Path, root: Path) -> Path:
    """Return a workspace in which everything before training is done."""
    shutil.copytree(finished, root)
    for folder in [*root.glob("pretrain-*"), *root.glob("evaluate-*"), root / FOLDER]:
        shutil.rmtree(folder)
    return root


def stages(root: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in root.glob("*/done")}


def table(root: Path) -> str:
    """The measures; what they cost differs from run to run."""
    return (root / FOLDER / "table.md").read_text().partition("## Cost")[0]


@pytest.mark.slow
def test_a_study_ends_in_cells_tables_and_a_page(finished: Path) -> None:
    found = read_study(finished / FOLDER)
    assert [(run.arm, run.seed, run.status) for run in found.runs] == [
        ("tags", 0, DONE),
        ("contrastive", 0, DONE),
        ("tags", 1, DONE),
        ("contrastive", 1, DONE),
    ]
    heard = {run.arm: run.audio_s for run in found.runs}
    assert heard["tags"] == pytest.approx(heard["contrastive"], rel=0.2)
    cells = {(cell.arm, cell.encoder): cell for cell in found.cells if cell.task == "domain"}
    assert set(cells) == CELLS
    other = cells["contrastive", "trained"]
    assert other.seeds == 2
    assert other.difference == pytest.approx(other.mean - cells["tags", "trained"].mean)
    assert other.difference_low <= other.difference <= other.difference_high
    for name in ("table.md", "table.tex", "cells.csv", "runs.csv", "index.html"):
        assert (finished / FOLDER / name).stat().st_size > 100


@pytest.mark.slow
def test_done_again_it_does_nothing_and_says_the_same(finished: Path) -> None:
    before, told = stages(finished), table(finished)
    again = earmark(MINI, "-w", finished)
    assert again.returncode == 0
    assert stages(finished) == before
    assert table(finished) == told


@pytest.mark.slow
def test_killed_in_its_last_run_it_ends_the_same(finished: Path, tmp_path: Path) -> None:
    root = tmp_path / "w"
    shutil.copytree(finished, root)
    for kind in ("pretrain", "evaluate"):
        shutil.rmtree(max(root.glob(f"{kind}-*"), key=lambda path: (path / "done").stat().st_mtime))
    shutil.rmtree(root / FOLDER)
    kept = stages(root)
    process = subprocess.Popen(command(MINI, "-w", root), stderr=subprocess.DEVNULL)
    wait_until(lambda: len(list(root.glob("pretrain-*/log.jsonl"))) == 4)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) != 0
    assert len(list(root.glob("evaluate-*/done"))) == 3
    again = earmark(MINI, "-w", root)
    assert again.returncode == 0, again.stderr
    assert kept.items() <= stages(root).items()
    assert table(root) == table(finished)


@pytest.mark.slow
def test_killed_and_begun_again_it_ends_the_same(finished: Path, tmp_path: Path) -> None:
    root = without_runs(finished, tmp_path / "w")
    process = subprocess.Popen(command(MINI, "-w", root), stderr=subprocess.DEVNULL)
    wait_until(lambda: any(root.glob("evaluate-*/done")))
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) != 0
    kept = stages(root)
    assert len(list(root.glob("evaluate-*/done"))) < 4
    again = earmark(MINI, "-w", root)
    assert again.returncode == 0, again.stderr
    assert kept.items() <= stages(root).items()
    assert table(root) == table(finished)


@pytest.mark.slow
def test_shares_of_a_batch_array_make_up_the_whole(finished: Path, tmp_path: Path) -> None:
    """Begun at once, they wait for each other where they share a stage, and in the end."""
    root = tmp_path / "w"
    shares = [
        subprocess.Popen(command(MINI, "-w", root, "--shard", share), stderr=subprocess.PIPE)
        for share in ("0/2", "1/2")
    ]
    for share in shares:
        _, told = share.communicate()
        assert share.returncode == 0, told.decode()
    assert [run.status for run in read_study(root / FOLDER).runs] == [DONE] * 4
    assert table(root) == table(finished)
    assert (root / FOLDER / "index.html").exists()


@pytest.mark.slow
def test_an_arm_that_fails_does_not_take_the_others_along(finished: Path, tmp_path: Path) -> None:
    root = tmp_path / "w"
    shutil.copytree(finished, root)
    axes = 'axes={objective={tags=[],labels=["objective.label=nothing"]}}'
    found = earmark(MINI, axes, "seeds=[0]", "-w", root)
    assert found.returncode == 1
    assert "labels, seed 0: failed: none of the" in found.stderr
    assert "no label nothing" in found.stderr
    assert "Traceback" not in found.stderr
    runs = {run.arm: run.status for run in read_study(root / FOLDER).runs}
    assert runs["tags"] == DONE
    assert runs["labels"].startswith("failed: ")
    assert (root / FOLDER / "index.html").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["study-minni"], "Did you mean 'study-mini'"),
        ([str(MINI), "--shard", "4/2"], "--shard 4/2"),
        ([str(MINI), "seed=[1]"], "Did you mean 'seeds'"),
        pytest.param(
            [str(MINI), 'axes={a={x=[],y=["pretrain.workers=1"]}}'],
            "same run",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_mistakes_are_told_in_a_line(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    in_process: Callable[..., CompletedProcess[str]],
) -> None:
    done = in_process("study", *arguments, "-w", tmp_path / "w")
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_was_killed_is_told_of_and_one_that_was_stopped_is_not(tmp_path: Path) -> None:
    record_exit(tmp_path, STOPPED_CODE)
    assert read_run_outcome(tmp_path) is None
    record_exit(tmp_path, -signal.SIGKILL)
    outcome = read_run_outcome(tmp_path)
    assert outcome is not None
    assert "signal 9, perhaps for want of memory" in outcome.status
    assert str(tmp_path) in outcome.status


@pytest.mark.slow
def test_a_run_stops_when_whoever_started_it_is_gone(finished: Path, tmp_path: Path) -> None:
    root = without_runs(finished, tmp_path / "w")
    long = settings("pretrain.audio_s=1e6")
    study = subprocess.Popen(command(MINI, long, "-w", root), stderr=subprocess.DEVNULL)
    wait_until(lambda: any(root.glob("pretrain-*/log.jsonl")))
    study.kill()
    study.wait()
    (folder,) = root.glob("pretrain-*")
    with file_lock(folder / "lock", wait=True):  # held until the run has ended
        assert list(folder.glob("state-*"))
    (told,) = root.glob(f"{FOLDER}/runs/*/outcome.json")  # of the first arm; no other was begun
    outcome = read_run_outcome(told.parent)
    assert outcome is not None
    assert outcome.status == NOT_RUN
