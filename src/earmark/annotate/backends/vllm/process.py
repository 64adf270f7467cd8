"""One `vllm serve` behind a guard that ends all its processes when its parent ends.

A parent that is killed with -9 can clean up nothing, and a server that outlives it holds its GPUs.
The guard stands between them: it reads a pipe that closes with the parent, however that ends. It
is this file, run as a script by its path, so this file must import nothing but the standard
library:

    python process.py GRACE_S COMMAND...

Its first line of standard output is the process id of the command, which is also the id of its
process group. The command's own output goes to the guard's standard error.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

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
                [sys.executable, "-I", __file__, str(grace_s), *command],
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


def log_tail(log: Path) -> str:
    """Return the last lines of a log."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    return "\n".join(text.rstrip().splitlines()[-_TAIL_LINES:])


_POLL_S = 0.02

_PR_SET_CHILD_SUBREAPER = 36


def run_guarded(grace_s: float, command: list[str]) -> int:
    """Run `command` until it ends or must end; return its exit code, 128 + n for a signal n."""
    _adopt_orphans()
    woken = _wake_on(signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True
        )
    except OSError as error:
        print(f"{command[0]} cannot be started: {error}", file=sys.stderr, flush=True)
        return 127
    print(child.pid, flush=True)
    _wait_for_end(child, woken)
    _end_group(child, grace_s)
    code = child.wait()
    return 128 - code if code < 0 else code


def _adopt_orphans() -> None:
    """Become the parent of processes whose own parent has died (Linux: prctl(2)).

    The first process of a container often reaps nobody, and a group with an unreaped process in
    it looks alive.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _wake_on(*numbers: signal.Signals) -> int:
    """Return a descriptor that becomes readable, with its number, when a signal comes."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end)
    for number in numbers:
        signal.signal(number, _ignore_signal)
    return read_end


def _ignore_signal(*_: object) -> None:
    """Let a signal wake the guard, and do no more."""


def _wait_for_end(child: subprocess.Popen[bytes], woken: int) -> None:
    """Return when the command has ended, or the parent, or when a signal asks for the end."""
    while child.poll() is None:
        ready, _, _ = select.select([0, woken], [], [])
        if 0 in ready and not os.read(0, 4096):
            return
        if woken in ready and set(os.read(woken, 4096)) - {signal.SIGCHLD}:
            return


def _end_group(child: subprocess.Popen[bytes], grace_s: float) -> None:
    """Ask the command's whole process group to end, and make it where it does not."""
    _signal_group(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline:
        if child.poll() is not None:
            _reap_group(child.pid)
        if not _signal_group(child.pid, 0):
            return
        time.sleep(_POLL_S)
    _signal_group(child.pid, signal.SIGKILL)


def _reap_group(group: int) -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    raise SystemExit(run_guarded(float(sys.argv[1]), sys.argv[2:]))
