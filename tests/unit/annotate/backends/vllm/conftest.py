"""A `vllm` command that serves no model: the mock server, with a process of its own beside it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from earmark.annotate.backends.vllm import VllmConfig
from earmark.annotate.backends.vllm.servers import SupervisorTiming

SCRIPT = """\
#!{python}
import json, os, subprocess, sys

worker = subprocess.Popen(["sleep", "600"])  # as an engine's workers, it outlives a killed parent
gpus = os.environ.get("CUDA_VISIBLE_DEVICES")
seen = {{"arguments": sys.argv[1:], "gpus": gpus, "pid": os.getpid(), "worker": worker.pid}}
with open({starts!r}, "a") as file:
    file.write(json.dumps(seen) + "\\n")
if "--broken" in sys.argv:
    sys.exit("this engine is broken: no such kernel")
if "--deaf" in sys.argv:
    print("loading the weights", flush=True)
    worker.wait()
(port,) = [flag for flag in sys.argv if flag.startswith("--port=")]
sys.argv = ["mock", port, "--latency-s=0.01", "--slots=4"]
from earmark.testing.mock_server.__main__ import main
sys.exit(main())
"""


@pytest.fixture
def starts(tmp_path: Path) -> Path:
    """Return the file with a line of JSON for each start of the command."""
    return tmp_path / "starts.jsonl"


@pytest.fixture
def command(tmp_path: Path, starts: Path) -> tuple[str, ...]:
    script = tmp_path / "vllm"
    script.write_text(SCRIPT.format(python=sys.executable, starts=str(starts)))
    script.chmod(0o755)
    return (str(script), "serve")


@pytest.fixture
def config(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., VllmConfig]:
    """Return a config of one server on a machine with two GPUs, with these settings."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")

    def make(**settings: Any) -> VllmConfig:
        ours = {"model": "tagger", "command": command, "log_folder": str(tmp_path / "logs")}
        first_port = 20_000 + os.getpid() % 20_000  # tests that run at once keep apart
        return VllmConfig(**{**ours, "servers": 1, "first_port": first_port, **settings})

    return make


@pytest.fixture
def pace() -> SupervisorTiming:
    return SupervisorTiming(
        look_s=0.01, ask_s=0.02, first_pause_s=0.01, longest_pause_s=0.02, bear_s=5, grace_s=2
    )


@pytest.fixture
def is_gone() -> Callable[[int], bool]:
    """Say whether a process has ended; one that nobody has waited for yet counts as ended."""

    def gone(pid: int) -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        return state == "Z"

    return gone
