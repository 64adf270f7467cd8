"""The mock server in a process of its own, for tests and benchmarks. It needs no aiohttp itself."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import msgspec

from earmark.config import decode_config
from earmark.testing.mock_server.config import MockConfig, to_arguments
from earmark.testing.mock_server.engine import ServerStats

_GRACE_S = 5.0


class RunningServer:
    """A mock server that answers at `url`, the base URL of the API (it ends in /v1)."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        self.url = url
        self.process = process

    def stats(self) -> ServerStats:
        """Return what the server has counted so far."""
        with urllib.request.urlopen(f"{self.url.removesuffix('/v1')}/stats", timeout=10) as answer:
            return msgspec.json.decode(answer.read(), type=ServerStats)


@contextmanager
def run_mock_server(**settings: Any) -> Generator[RunningServer]:
    """Start a mock server with fields of `MockConfig`, and end it with the block.

    It ends with this process too, however that ends: it holds a pipe to it.

    Raises:
        ConfigError: a setting that does not exist, or of the wrong type.
        RuntimeError: the server did not start; its own words are on standard error.
    """
    plain = {name: list(v) if isinstance(v, tuple) else v for name, v in settings.items()}
    config = decode_config({**plain, "until_stdin_closes": True}, MockConfig, where="mock server")
    process = subprocess.Popen(
        [sys.executable, "-m", "earmark.testing.mock_server", *to_arguments(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError(f"the mock server ended with code {process.wait(_GRACE_S)}")
        yield RunningServer(url, process)
    finally:
        process.stdin.close()
        _end_process(process)
        process.stdout.close()


def _end_process(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
