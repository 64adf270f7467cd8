"""The GPUs and the port that each server gets.

GPUs are the visible ones, in groups. A port is reserved against other earmark jobs on the same
machine.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from earmark.config import ConfigError

_NVIDIA_SMI_TIMEOUT_S = 60.0  # a driver that is not yet loaded takes its time


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them.

    Without that variable they are counted by `nvidia-smi -L`; without either there are none.
    """
    if (names := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name.strip() for name in names.split(",") if name.strip() not in ("", "-1")]
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"],
            capture_output=True,
            text=True,
            timeout=_NVIDIA_SMI_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    # Slices of a GPU (MIG) are listed below it, indented; they must be named by the variable.
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [str(index) for index in range(len(lines))]


def assign_gpus(gpus: list[str], per_server: int, servers: int) -> list[list[str]]:
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


_MAX_PORTS = 1000


@dataclass
class ReservedPort:
    """A port that no other job takes while this object is open.

    Several jobs may start on one machine at once, and a server takes minutes before it listens:
    that a port is free says little. So each is locked by a file, whose lock ends with its process.
    """

    number: int
    _lock: int

    def close(self) -> None:
        """Let others have it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def reserve_port(first: int) -> ReservedPort:
    """Return the first port from `first` on that is free on 127.0.0.1 and that no job holds.

    Raises:
        ConfigError: a thousand ports are taken.
    """
    for number in range(first, min(first + _MAX_PORTS, 65_536)):
        lock = _lock_port(number)
        if lock is None:
            continue
        if _is_free(number):
            return ReservedPort(number, lock)
        os.close(lock)
    raise ConfigError(f"no free port from {first} on: set first_port to another number")


def _lock_port(number: int) -> int | None:
    """Return the descriptor of a lock on the port, None where another process has it."""
    path = Path(tempfile.gettempdir()) / f"earmark-port-{number}.lock"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    except PermissionError:
        return None  # another user's: their jobs keep off ours in the same way
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _is_free(number: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections of a server that has just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True
