"""Shards on a local Ray whose worker is killed: the tags are those of a local run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from earmark.annotate.backends.endpoint import EndpointConfig
from earmark.annotate.jobs.local import LocalRunnerConfig
from earmark.annotate.jobs.run import run_job
from earmark.annotate.tag import tag_job, write_tags
from earmark.records import Caption
from earmark.tables import write_parquet
from earmark.testing.mock_server.process import run_mock_server

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="pip install 'earmark[ray]'")

PROMPTS, SHARDS = 120, 4

ON_RAY = """
import sys
from pathlib import Path
import ray
from earmark.annotate.backends.endpoint import EndpointConfig
from earmark.annotate.jobs.run import run_job
from earmark.annotate.jobs.ray_runner import RayRunnerConfig
from earmark.annotate.tag import tag_job

url, table, folder = sys.argv[1:]
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80_000_000)
backend = EndpointConfig(model="mock", urls=(url,), concurrency=2, response_format="none")
print(run_job(tag_job(Path(table), backend, Path(folder)), RayRunnerConfig(shards=4)))
"""


def a_worker(folder: Path) -> int | None:
    """Return the process that holds a shard with some rows answered, as its lock file says."""
    for journal in folder.glob("*.jsonl"):
        lock = journal.with_suffix(".lock").read_text()
        if (found := re.match(r"process (\d+)", lock)) and journal.read_bytes().count(b"\n") > 3:
            return int(found[1])
    return None


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    rows = [
        Caption(id=f"{n:03}", text=f"dog {n} barks at rain", summary="", backend="b")
        for n in range(PROMPTS)
    ]
    table, spread, local = tmp_path / "c.parquet", tmp_path / "spread", tmp_path / "local"
    write_parquet(table, rows, Caption)
    with run_mock_server(
        slots=4, latency_s=0.1, latency_sigma=0.1, response_formats=("none",)
    ) as server:
        driver = subprocess.Popen(
            [sys.executable, "-c", ON_RAY, server.url, str(table), str(spread)],
            env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while (worker := a_worker(spread)) is None and driver.poll() is None:
            time.sleep(0.02)
        assert worker is not None, driver.communicate()[0]
        os.kill(worker, signal.SIGKILL)
        out, _ = driver.communicate()
        assert driver.returncode == 0, out
        assert f"{{'in': {PROMPTS}, 'out': {PROMPTS}}}" in out
        asked = server.stats().requests
        backend = EndpointConfig(model="mock", urls=(server.url,), response_format="none")
        run_job(tag_job(table, backend, local), LocalRunnerConfig())
    assert asked <= PROMPTS + 4  # and what was in flight in the worker that was killed
    for answers in (spread, local):
        write_tags(answers, answers)
    assert (spread / "tags.parquet").read_bytes() == (local / "tags.parquet").read_bytes()
