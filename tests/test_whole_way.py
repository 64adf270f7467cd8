"""The whole way, end to end, on a small synthetic corpus: once undisturbed, once killed often."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

import earmark
from earmark.annotate.jobs.answers import stream_answers
from earmark.pretrain.encoders.base import Encoder
from earmark.records import Clip, Example, Rejected, Score
from earmark.stages import DEFAULT_STAGES
from earmark.tables import read_parquet
from earmark.workspace import StageFolder, Workspace

SMALL = (
    *("corpus.clips=60", "corpus.shortest_s=2", "corpus.longest_s=2.5", "vocabulary.min_df=2"),
    *("encoder.dim=32", "encoder.layers=1", "pretrain.steps=12", "pretrain.checkpoint_every=3"),
    *("pretrain.batch_s=20", "pretrain.validate_every=6", "pretrain.optimizer.warmup_steps=2"),
    *("pretrain.workers=0", "evaluate.bootstrap=50"),
    *("corpus.workers=1", "captioner.workers=1", "tagger.workers=1"),
)


def command(workspace: Path) -> list[str]:
    return [sys.executable, "-m", "earmark", "demo", *SMALL, "-w", str(workspace)]


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run that was killed while captions came in, and begun again."""
    root = tmp_path_factory.mktemp("resumed")
    assert kill_when(command(root), lambda: MOMENTS["while captions come in"](root))
    (journal,) = root.glob("caption-raw-*/answers-*.jsonl")
    before = journal.read_bytes()
    done = subprocess.run(command(root), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(root / "report.html")
    answers = read_answers(Workspace(root))
    for line in before.splitlines()[:-1]:  # the last may be cut off
        assert line in answers, "an answer from before the kill was lost or asked for again"
    return Workspace(root)


def read_answers(workspace: Workspace) -> list[bytes]:
    folder = stages(workspace)["caption-raw"].folder
    return [msgspec.json.encode(answer) for answer in stream_answers(folder)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run from start to end."""
    root = tmp_path_factory.mktemp("undisturbed")
    done = subprocess.run(command(root), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Workspace(root)


def stages(workspace: Workspace) -> dict[str, StageFolder]:
    return workspace.latest_run()[1]


def test_every_stage_is_done_and_its_counts_add_up(resumed: Workspace) -> None:
    assert tuple(stages(resumed)) == DEFAULT_STAGES
    for stage in stages(resumed).values():
        counts = stage.provenance()["counts"]
        assert stage.done
        assert counts["in"] == sum(counts.values()) - counts["in"], (stage.name, counts)
        if stage.file("rejected.parquet").exists():
            rejected = read_parquet(stage.file("rejected.parquet"), Rejected)
            assert len(rejected) == counts["in"] - counts["out"]


def test_labels_reach_the_probes_and_nothing_before(resumed: Workspace) -> None:
    found = stages(resumed)
    examples = read_parquet(found["manifest"].file("manifest.parquet"), Example)
    assert all("domain" in example.labels for example in examples)
    scores = read_parquet(found["evaluate"].file("scores.parquet"), Score)
    domain = {score.encoder: score for score in scores if score.task == "domain"}
    assert set(domain) == {"trained", "random", "log-mel"}
    assert domain["log-mel"].value > domain["log-mel"].chance


def test_the_encoder_is_for_use(resumed: Workspace) -> None:
    clips = read_parquet(stages(resumed)["scan"].file("clips.parquet"), Clip)[:5]
    files = [clip.path for clip in clips]
    encoder = earmark.load_encoder(resumed.root)
    assert isinstance(encoder, Encoder)
    together = encoder.embed(files)
    alone = np.concatenate([encoder.embed([file]) for file in files])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_array_equal(together, encoder.embed(files))
    ((first, *_),) = earmark.load_tagger(resumed.root).label(files[:1], top=3)
    assert isinstance(first[0], str)
    assert 0.0 <= first[1] <= 1.0


def test_label_prints_tags_with_scores(
    resumed: Workspace, in_process: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    clip = read_parquet(stages(resumed)["scan"].file("clips.parquet"), Clip)[0]
    done = in_process("label", "-c", resumed.root, "--top", "4", clip.path)
    assert done.returncode == 0, done.stderr
    path, *tags = done.stdout.rstrip("\n").split("\t")
    assert path == clip.path
    assert len(tags) == 4
    scores = [float(tag.split()[-1]) for tag in tags]
    assert scores == sorted(scores, reverse=True)


def lines(root: Path, pattern: str) -> int:
    return sum(path.read_bytes().count(b"\n") for path in root.glob(pattern))


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "while the corpus is made": lambda root: len(list(root.glob("corpus-*/audio/*"))) > 20,
    "while captions come in": lambda root: lines(root, "caption-raw-*/answers-*.jsonl") > 10,
    "while tags come in": lambda root: lines(root, "tag-raw-*/answers-*.jsonl") > 10,
    "while training": lambda root: lines(root, "pretrain-*/log.jsonl") > 5,
    "while probing": lambda root: len(list(root.glob("evaluate-*/features*"))) > 0,
}


@pytest.mark.slow
def test_killed_it_ends_the_same(undisturbed: Workspace, tmp_path: Path) -> None:
    killed = []
    for moment in MOMENTS:
        if kill_when(command(tmp_path), lambda moment=moment: MOMENTS[moment](tmp_path)):
            killed.append(moment)
    assert len(killed) >= 3, f"only killed {killed}"
    done = subprocess.run(command(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    expected, found = stages(undisturbed), stages(Workspace(tmp_path))
    for name, file, kind in (
        ("manifest", "manifest.parquet", Example),
        ("evaluate", "scores.parquet", Score),
    ):
        first = read_parquet(expected[name].file(file), kind)
        second = read_parquet(found[name].file(file), kind)
        assert [without_path(row) for row in first] == [without_path(row) for row in second]
    weights = "checkpoint/model.safetensors"
    assert found["pretrain"].file(weights).read_bytes() == (
        expected["pretrain"].file(weights).read_bytes()
    )


def without_path(row: Example | Score) -> dict[str, object]:
    """Compare as text: NaN equals NaN."""
    return {name: repr(getattr(row, name)) for name in row.__struct_fields__ if name != "path"}


def kill_when(arguments: list[str], has_come: Callable[[], bool]) -> bool:
    """Start a run and kill it with -9 when the moment has come; whether it was killed."""
    with subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        while process.poll() is None and not has_come():
            time.sleep(0.01)
        if process.poll() is not None:
            return False
        os.killpg(process.pid, signal.SIGKILL)
        return True
