"""A port for each server, held against other earmark jobs on the same machine."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from earmark.config import ConfigError

_TRIED = 1000


@dataclass
class Port:
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


def take_port(first: int) -> Port:
    """Return the first port from `first` on that is free on 127.0.0.1 and that no job holds.

    Raises:
        ConfigError: a thousand ports are taken.
    """
    for number in range(first, min(first + _TRIED, 65_536)):
        lock = _locked(number)
        if lock is None:
            continue
        if _is_free(number):
            return Port(number, lock)
        os.close(lock)
    raise ConfigError(f"no free port from {first} on: set first_port to another number")


def _locked(number: int) -> int | None:
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
