from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request

import pytest

from earmark.config import ConfigError
from earmark.testing.mock_server.process import run_mock_server


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "earmark.testing.mock_server", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_serves_inside_the_block_and_is_gone_after_it():
    with run_mock_server(latency_s=0.0) as server:
        with urllib.request.urlopen(f"{server.url}/models") as answer:
            assert json.load(answer)["data"][0]["id"] == "mock"
        assert server.stats().requests == 0
    assert server.process.returncode == 0


def test_a_setting_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match="Did you mean 'slots'"), run_mock_server(slotz=3):
        pass


def test_it_ends_on_sigterm_or_when_its_standard_input_closes():
    with start() as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    with start("--until-stdin-closes") as process:
        output, errors = process.communicate("", timeout=10)
        assert output.count("\n") == 1
        assert (process.returncode, errors) == (0, "")


def test_it_says_which_key_is_missing():
    with start("--require-key", "NO_SUCH_KEY_IS_SET") as process:
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert "export NO_SUCH_KEY_IS_SET" in errors
