"""Which GPUs a server gets: the visible ones, in groups."""

from __future__ import annotations

import os
import subprocess

from earmark.config import ConfigError

_SECONDS = 60.0  # a driver that is not yet loaded takes its time


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them.

    Without that variable they are counted by `nvidia-smi -L`; without either there are none.
    """
    if (names := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name.strip() for name in names.split(",") if name.strip() not in ("", "-1")]
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    # Slices of a GPU (MIG) are listed below it, indented; they must be named by the variable.
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [str(index) for index in range(len(lines))]


def groups_of(gpus: list[str], per_server: int, servers: int) -> list[list[str]]:
    """Return the GPUs of each server.

    `servers` = 0 means as many as there are GPUs for. `per_server` = 0 means that no GPU is
    assigned: `servers` empty groups.

    Raises:
        ConfigError: there are too few GPUs, or neither number says how many servers there are.
    """
    if per_server == 0:
        if servers == 0:
            raise ConfigError("gpus_per_server = 0 leaves GPUs alone: say how many servers to run")
        return [[] for _ in range(servers)]
    wanted = servers or len(gpus) // per_server
    if wanted == 0 or wanted * per_server > len(gpus):
        seen = f"{len(gpus)} ({', '.join(gpus)})" if gpus else "none"
        raise ConfigError(
            f"{max(wanted, 1)} server(s) with {per_server} GPU(s) each need "
            f"{max(wanted, 1) * per_server} GPUs, and visible are: {seen}. Lower servers or "
            "gpus_per_server, or see what CUDA_VISIBLE_DEVICES and nvidia-smi -L say."
        )
    return [gpus[start * per_server :][:per_server] for start in range(wanted)]
