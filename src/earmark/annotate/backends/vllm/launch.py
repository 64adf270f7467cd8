"""The command line and the environment of one server."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from earmark.annotate.backends.vllm.config import VllmConfig
from earmark.config import ConfigError

_GENERATION = "--generation-config"


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How to start one server, and where it will be.

    Args:
        command: program and arguments.
        environment: variables on top of this process's own.
        url: base URL of its API.
        log: the file for its output.
    """

    command: list[str]
    environment: dict[str, str]
    url: str
    log: Path

    @property
    def health_url(self) -> str:
        """Where it says whether it is well."""
        return self.url.removesuffix("/v1") + "/health"


def plan(config: VllmConfig, gpus: Sequence[str], port: int, folder: Path) -> Launch:
    """Return how to start a server on these GPUs and this port."""
    command = [*config.command, config.model, "--host=127.0.0.1", f"--port={port}"]
    if config.revision:
        command.append(f"--revision={config.revision}")
    if config.gpus_per_server:
        command.append(f"--tensor-parallel-size={config.gpus_per_server}")
    if not any(flag.partition("=")[0] == _GENERATION for flag in config.flags):
        # Else the model's own generation_config.json fills in what a request leaves out, and the
        # recipe would not say how answers are sampled.
        command.append(f"{_GENERATION}=vllm")
    return Launch(
        command=[*command, *config.flags],
        environment={"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if gpus else {},
        url=f"http://127.0.0.1:{port}/v1",
        log=folder / f"vllm-{port}.log",
    )


def check_command(command: Sequence[str]) -> None:
    """Refuse a command that is not there.

    Raises:
        ConfigError: it cannot be found or run.
    """
    if shutil.which(command[0]) is None:
        raise ConfigError(
            f"the vllm backend runs `{' '.join(command)}`, and there is no command {command[0]!r} "
            "here: pip install vllm, or set command to where it is installed "
            '(command = ["/path/to/venv/bin/vllm", "serve"])'
        )
