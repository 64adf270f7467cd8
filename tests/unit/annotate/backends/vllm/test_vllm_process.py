from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from earmark.annotate.backends.vllm.process import ServerProcess, log_tail

PARENT = """\
import sys, pathlib, time
from earmark.annotate.backends.vllm.process import ServerProcess
server = ServerProcess(["sh", "-c", "sleep 600 & sleep 600"], {}, pathlib.Path(sys.argv[1]), 1.0)
print(server.pid, flush=True)
time.sleep(600)
"""


def wait_for_end(process: ServerProcess) -> int:
    deadline = time.monotonic() + 10
    while (code := process.exit_code()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return code


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_output_goes_to_the_log_and_the_exit_code_is_the_commands(tmp_path: Path):
    log = tmp_path / "server.log"
    command = ["sh", "-c", "echo out $COLOUR; echo err >&2; exit 7"]
    process = ServerProcess(command, {"COLOUR": "red"}, log, 1.0)
    assert wait_for_end(process) == 7
    process.kill()
    assert log_tail(log).splitlines()[-2:] == ["out red", "err"]


def test_only_the_end_of_a_long_log_is_told(tmp_path: Path):
    log = tmp_path / "server.log"
    log.write_text("\n".join(f"line {n}" for n in range(10_000)))
    assert log_tail(log).splitlines() == [f"line {n}" for n in range(9980, 10_000)]


def test_a_command_that_cannot_be_started_is_told_in_the_log(tmp_path: Path):
    log = tmp_path / "server.log"
    process = ServerProcess([str(tmp_path / "none")], {}, log, 1.0)
    assert process.pid is None
    assert wait_for_end(process) == 127
    process.kill()
    assert "cannot be started" in log_tail(log)


def test_what_ignores_being_asked_is_killed(tmp_path: Path):
    command = ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"]
    process = ServerProcess(command, {}, tmp_path / "server.log", 0.2)
    while "deaf" not in log_tail(tmp_path / "server.log").splitlines():
        time.sleep(0.01)
    process.end()
    assert wait_for_end(process) == 128 + signal.SIGKILL
    process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_all_is_gone_when_the_parent_is_killed(tmp_path: Path, number: int, is_gone):
    arguments = [sys.executable, "-c", PARENT, str(tmp_path / "server.log")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        children = Path(f"/proc/{pid}/task/{pid}/children")
        while len(children.read_text().split()) < 2:
            time.sleep(0.01)
        workers = [int(child) for child in children.read_text().split()]
        parent.send_signal(number)
    deadline = time.monotonic() + 10
    while not all(is_gone(one) for one in (pid, *workers)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_guard_that_is_asked_to_end_ends_the_command(tmp_path: Path, is_gone):
    process = ServerProcess(["sleep", "600"], {}, tmp_path / "server.log", 1.0)
    assert process.pid is not None
    os.kill(parent_of(process.pid), signal.SIGTERM)
    assert wait_for_end(process) == 128 + signal.SIGTERM
    assert is_gone(process.pid)
    process.kill()


def test_a_killed_guard_leaves_nothing_once_the_process_is_let_go(tmp_path: Path, is_gone):
    process = ServerProcess(["sleep", "600"], {}, tmp_path / "server.log", 1.0)
    pid = process.pid
    assert pid is not None
    os.kill(parent_of(pid), signal.SIGKILL)
    assert wait_for_end(process) < 0
    process.kill()
    deadline = time.monotonic() + 10
    while not is_gone(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
