"""One `vllm serve` behind its guard: start, look, end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from earmark.annotate.backends.vllm import guard

_TAIL_LINES, _TAIL_BYTES = 20, 4000


class ServerProcess:
    """A running command whose processes end with this process, however that ends.

    Args:
        command: program and arguments.
        environment: variables to set on top of this process's own.
        log: the file that its output is added to.
        grace_s: from being asked to end to being killed, seconds.

    Raises:
        OSError: the log cannot be written, or no process can be started.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path, grace_s: float
    ) -> None:
        self._grace_s = grace_s
        with log.open("ab") as written:
            written.write(f"$ {' '.join(command)}\n".encode())
            written.flush()
            self._guard = subprocess.Popen(
                [sys.executable, "-I", guard.__file__, str(grace_s), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=written,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        assert self._guard.stdout is not None
        with self._guard.stdout as output:
            line = output.readline()
        self.pid = int(line) if line else None

    def exit_code(self) -> int | None:
        """Return the command's exit code, 128 + n for a signal n; None while it runs."""
        return self._guard.poll()

    def end(self) -> None:
        """Ask it to end; `exit_code` says when it has. Again is no harm."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()

    def kill(self) -> None:
        """End it for certain and let go of it; waits up to its grace where it was not asked to."""
        self.end()
        try:
            self._guard.wait(self._grace_s + 5)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
        # A guard that was killed itself could end nothing.
        if self.pid is not None and self._guard.returncode < 0:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    return "\n".join(text.rstrip().splitlines()[-_TAIL_LINES:])
