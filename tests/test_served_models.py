"""Captions and tags from models behind a server, through the command line, whatever goes wrong.

The server is the mock one that ships; the whole benchmark is `benchmarks/annotate.py`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.annotate.jobs.answers import Answer, stream_answers
from earmark.records import Caption, TagSet
from earmark.tables import read_parquet
from earmark.testing.mock_server.process import RunningServer, run_mock_server
from earmark.workspace import Workspace

CLIPS = 60
KILLS = 6
KEY = "sk-not-to-be-seen-anywhere"

RECIPE = """
[corpus]
kind = "folder"
path = "{sounds}"
[scan]
max_duration_s = 30.0
[captioner]
kind = "endpoint"
model = "mock"
urls = ["$URL"]
concurrency = 8
timeout_s = 1.0
[tagger]
kind = "endpoint"
model = "mock"
urls = ["$URL"]
concurrency = 8
timeout_s = 1.0
[vocabulary]
size = 20
min_df = 1
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe over short sounds of many kinds."""
    folder = tmp_path_factory.mktemp("served")
    generator = np.random.default_rng(0)
    (folder / "sounds").mkdir()
    for number in range(CLIPS):
        time_s = np.arange(4000 + 200 * number) / 8000
        tone = np.sin(2 * np.pi * (200 + 50 * number) * time_s)
        noise = generator.normal(0, 1, len(time_s))
        wave = 0.05 * (1 + number % 5) * (tone if number % 2 else noise)
        soundfile.write(folder / "sounds" / f"{number:02}.wav", wave.clip(-1, 1), 8000)
    (folder / "recipe.toml").write_text(RECIPE.format(sounds=folder / "sounds"))
    return folder / "recipe.toml"


@pytest.fixture(scope="module")
def undisturbed(recipe: Path) -> Path:
    """A workspace in which nothing went wrong."""
    with run_mock_server(slots=8, latency_s=0.01) as server:
        earmark(server, "tag", recipe, "-w", recipe.parent / "undisturbed")
    return recipe.parent / "undisturbed"


def earmark(server: RunningServer, *arguments: object, **environment: str) -> str:
    done = started(server, *arguments, **environment)
    out, _ = done.communicate()
    assert done.returncode == 0, out
    return out


def started(server: RunningServer, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "earmark", *map(str, arguments)],
        env={**os.environ, "URL": server.url, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def tables(root: Path) -> Mapping[str, bytes]:
    stages = Workspace(root).latest_run()[1]
    return {
        "captions": stages["caption"].file("captions.parquet").read_bytes(),
        "tags": stages["tag"].file("tags.parquet").read_bytes(),
    }


def answers_of(root: Path) -> list[Answer]:
    return list(stream_answers(Workspace(root).latest_run()[1]["caption-raw"].folder))


def test_every_clip_has_a_caption_and_tags(undisturbed: Path) -> None:
    stages = Workspace(undisturbed).latest_run()[1]
    captions = read_parquet(stages["caption"].file("captions.parquet"), Caption)
    tags = read_parquet(stages["tag"].file("tags.parquet"), TagSet)
    assert len(captions) == len(tags) == CLIPS
    assert len({caption.text for caption in captions}) > CLIPS // 3  # it did listen
    assert all(
        row.tokens_out > 0 and row.finish_reason == "stop" for row in answers_of(undisturbed)
    )


@pytest.mark.slow
def test_faults_and_an_outage_change_nothing(
    recipe: Path, undisturbed: Path, tmp_path: Path
) -> None:
    faults = {"error_share": 0.05, "busy_share": 0.05, "timeout_share": 0.02, "html_share": 0.02}
    outage = {"outage_at_s": 0.3, "outage_s": 1.0, "outage_kind": "reset", "retry_after_s": 0.2}
    with run_mock_server(slots=8, latency_s=0.05, **faults, **outage) as server:
        earmark(server, "tag", recipe, "-w", tmp_path, "--no-canary")
        by_status = server.stats().by_status
    assert {"429", "500", "reset"} <= set(map(str, by_status))
    assert tables(tmp_path) == tables(undisturbed)


@pytest.mark.parametrize("kills", [1, pytest.param(KILLS, marks=pytest.mark.slow)])
def test_killed_runs_lose_nothing_and_ask_nothing_twice(
    recipe: Path, undisturbed: Path, tmp_path: Path, kills: int
) -> None:
    chance = random.Random(0)
    in_flight = 0
    with run_mock_server(slots=8, latency_s=0.03) as server:
        for _ in range(kills):
            before = server.stats().completed
            process = started(server, "tag", recipe, "-w", tmp_path, "--no-canary")
            more = chance.randrange(1, 2 * CLIPS // KILLS)
            while server.stats().completed < before + more and process.poll() is None:
                time.sleep(0.002)
            in_flight += server.stats().in_flight + 8  # and what was not on the disk yet
            process.send_signal(signal.SIGKILL)
            process.communicate()
        earmark(server, "tag", recipe, "-w", tmp_path, "--no-canary")
        asked = server.stats().requests
    assert tables(tmp_path) == tables(undisturbed)
    assert asked <= 2 * CLIPS + in_flight


@pytest.mark.slow
def test_shards_in_any_order_end_in_the_same_bytes(
    recipe: Path, undisturbed: Path, tmp_path: Path
) -> None:
    with run_mock_server(slots=8, latency_s=0.01) as server:
        together = [
            started(server, "caption", recipe, "-w", tmp_path, "--shard", f"{index}/3")
            for index in (2, 0)
        ]
        told = [process.communicate()[0] for process in together]
        assert [process.returncode for process in together] == [0, 0], told
        last = earmark(server, "caption", tmp_path, "--shard", "1/3")
        assert f"caption-raw: {CLIPS} in, {CLIPS} out" in last
        refused = started(server, "tag", tmp_path, "--shard", "3/3")
        assert "the last is 2/3" in refused.communicate()[0]
        assert refused.returncode == 2
        earmark(server, "tag", tmp_path)
    assert tables(tmp_path) == tables(undisturbed)


def test_tags_wait_for_all_captions(recipe: Path, tmp_path: Path) -> None:
    with run_mock_server(slots=8, latency_s=0.01) as server:
        earmark(server, "caption", recipe, "-w", tmp_path, "--shard", "0/2", "--no-canary")
        early = started(server, "tag", tmp_path, "--shard", "0/2", "--no-canary")
        assert "caption-raw has not finished (1 shards are left" in early.communicate()[0]
        assert early.returncode == 2


def test_a_server_that_does_not_listen_is_found_before_the_job(
    recipe: Path, tmp_path: Path
) -> None:
    with run_mock_server(slots=8, latency_s=0.01, ignore_audio=True) as server:
        process = started(server, "caption", recipe, "-w", tmp_path)
        out, _ = process.communicate()
        assert process.returncode == 1, out
        assert "--no-canary" in out
        assert not list(tmp_path.glob("caption-raw-*"))
        earmark(server, "caption", recipe, "-w", tmp_path, "--no-canary")


def test_the_key_is_sent_and_written_nowhere(recipe: Path, tmp_path: Path) -> None:
    environment = {"MOCK_KEY": KEY}
    os.environ["MOCK_KEY"] = KEY
    try:
        with run_mock_server(slots=8, latency_s=0.01, require_key="MOCK_KEY") as server:
            keyed = ["captioner.api_key_variable=MOCK_KEY", "tagger.api_key_variable=MOCK_KEY"]
            out = earmark(server, "tag", recipe, *keyed, "-w", tmp_path, **environment)
            without = started(server, "tag", recipe, "-w", tmp_path / "other")
            told = without.communicate()[0]
    finally:
        del os.environ["MOCK_KEY"]
    assert without.returncode == 2, told
    assert "api_key_variable" in told
    assert KEY not in out + told
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_an_estimate_asks_twenty_and_keeps_nothing(recipe: Path, tmp_path: Path) -> None:
    priced = "captioner.price_per_million_tokens_out=10.0"
    with run_mock_server(slots=8, latency_s=0.01) as server:
        out = earmark(server, "caption", recipe, priced, "-w", tmp_path, "--estimate")
        assert server.stats().requests <= 22
    assert f"20 of {CLIPS} tried" in out
    assert "cost     0." in out
    assert not list(tmp_path.glob("caption-raw-*"))
