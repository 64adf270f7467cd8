"""Runs as processes of this machine, some at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from earmark.progress import Progress
from earmark.study.config import OneMachine
from earmark.study.one_run import Outcome, read_outcome, write_outcome
from earmark.study.results import NOT_RUN

LOOK_EVERY_S = 0.2
PATIENCE_S = 60.0
"""How long a run that was asked to stop may take to save its state."""


@dataclass(frozen=True)
class Running:
    """A run and its process."""

    folder: Path
    process: subprocess.Popen[bytes]


def command(folder: Path, root: Path) -> list[str]:
    """Return the command of one run."""
    return [sys.executable, "-m", "earmark.study.one_run", str(folder), str(root)]


def run_here(folders: Sequence[Path], root: Path, where: OneMachine, progress: Progress) -> None:
    """Do runs, some at a time; what each has to say goes to its log.txt.

    A run that fails is left to be told of afterwards. Ctrl-C and SIGTERM ask the running ones to
    save their state and stop.
    """
    waiting, running = list(folders), dict[int, Running]()
    with _stopping(running):
        while waiting or running:
            for slot in range(where.processes):
                if waiting and slot not in running:
                    folder = waiting.pop(0)
                    running[slot] = Running(folder, _start(folder, root, where, slot))
            for slot in [slot for slot, each in running.items() if each.process.poll() is not None]:
                ended = running.pop(slot)
                code = ended.process.returncode
                conclude(ended.folder, code)
                progress.advance(note=ended.folder.name + (" FAILED" if code else ""))
            time.sleep(LOOK_EVERY_S)


def _start(folder: Path, root: Path, where: OneMachine, slot: int) -> subprocess.Popen[bytes]:
    threads = max((os.cpu_count() or 1) // where.processes, 1)
    environment = {"OMP_NUM_THREADS": str(threads)} | os.environ
    if where.devices:
        environment["CUDA_VISIBLE_DEVICES"] = where.devices[slot % len(where.devices)]
    with open(folder / "log.txt", "ab") as log:
        return subprocess.Popen(
            command(folder, root),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,  # Ctrl-C comes to it through us, once
        )


def conclude(folder: Path, code: int) -> None:
    """Say of a run that ended without a word how it did: by a signal, or by a fault of ours."""
    outcome = read_outcome(folder)
    if code == 0 or (outcome is not None and outcome.status != NOT_RUN):
        return
    killed = f"ended by signal {-code}" + (", perhaps for want of memory" if code == -9 else "")
    status = f"failed: {killed if code < 0 else 'broke off'}; see {folder / 'log.txt'}"
    write_outcome(folder, Outcome(status=status, energy_wh=outcome.energy_wh if outcome else None))


@contextmanager
def _stopping(running: Mapping[int, Running]) -> Generator[None]:
    """Take the runs along when this process is asked to stop."""
    before = signal.getsignal(signal.SIGTERM)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        for each in running.values():
            if each.process.poll() is None:
                each.process.terminate()
        for each in running.values():
            try:
                each.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                each.process.kill()
