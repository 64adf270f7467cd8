"""Run the runs of a study: as processes of this machine, or as tasks of a Ray cluster.

The machines of a cluster share the workspace's disk.
"""

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
from typing import Any

from earmark.annotate.jobs.ray_runner import ray_cluster
from earmark.progress import Progress
from earmark.study.config import LocalExecution, RayExecution
from earmark.study.worker import record_exit

POLL_INTERVAL_S = 0.2

STOP_TIMEOUT_S = 60.0
"""How long runs that were asked to stop may take, together, to save their states."""


@dataclass(frozen=True)
class RunningProcess:
    """A run and its process."""

    folder: Path
    process: subprocess.Popen[bytes]


def start_run(
    folder: Path, root: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a run; what it has to say goes to its log.txt. It stops when this process is gone."""
    command = [sys.executable, "-m", "earmark.study.worker", str(folder), str(root)]
    with open(folder / "log.txt", "ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,  # Ctrl-C comes to it through us, once
        )


def run_local(
    folders: Sequence[Path], root: Path, where: LocalExecution, progress: Progress
) -> None:
    """Do runs, some at a time.

    A run that fails is left to be told of afterwards. Ctrl-C, SIGTERM and SIGHUP ask the running
    ones to save their state and stop.
    """
    waiting, running = list(folders), dict[int, RunningProcess]()
    with _stop_on_signal(running):
        while waiting or running:
            for slot in range(where.processes):
                if waiting and slot not in running:
                    folder = waiting.pop(0)
                    process = start_run(folder, root, _environment(where, slot))
                    running[slot] = RunningProcess(folder, process)
            for slot in [slot for slot, each in running.items() if each.process.poll() is not None]:
                ended = running.pop(slot)
                code = ended.process.returncode
                record_exit(ended.folder, code)
                progress.advance(note=ended.folder.name + (" FAILED" if code else ""))
            time.sleep(POLL_INTERVAL_S)


def _environment(where: LocalExecution, slot: int) -> dict[str, str]:
    threads = max((os.cpu_count() or 1) // where.processes, 1)
    environment = {"OMP_NUM_THREADS": str(threads), **os.environ}
    if where.devices:
        environment["CUDA_VISIBLE_DEVICES"] = where.devices[slot % len(where.devices)]
    return environment


@contextmanager
def _stop_on_signal(running: Mapping[int, RunningProcess]) -> Generator[None]:
    """Take the runs along when this process is asked to stop."""
    asked = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in asked}

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    for number in asked:
        signal.signal(number, stop)
    try:
        yield
    finally:
        _terminate([each.process for each in running.values()])
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminate(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask processes to stop, and kill those that have not by then, or when asked once more."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    until_s = time.monotonic() + STOP_TIMEOUT_S
    try:
        for process in processes:
            process.wait(max(until_s - time.monotonic(), 0))
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        for process in processes:
            process.kill()


FAILED_CODE = 1


def run_on_ray(
    folders: Sequence[Path], root: Path, where: RayExecution, progress: Progress
) -> None:
    """Do runs, as many at a time as the cluster has room for.

    A run whose machine died is told of as failed; the next call of the study does it.

    Raises:
        ConfigError: Ray is not installed, or has not what a run takes.
    """
    with ray_cluster(where.address, cpus=where.cpus, gpus=where.gpus, each="run") as ray:
        task = ray.remote(_run_task).options(
            num_cpus=where.cpus, num_gpus=where.gpus, max_retries=0
        )
        here = os.getcwd()
        left = {task.remote(each, root, here): each for each in folders}
        while left:
            done, _ = ray.wait(list(left), num_returns=1)
            for each in done:
                folder = left.pop(each)
                record_exit(folder, _exit_code(ray, each))
                progress.advance(note=folder.name)


def _run_task(folder: Path, root: Path, here: str) -> int:
    os.chdir(here)  # paths of a recipe may be relative
    return start_run(folder, root).wait()


def _exit_code(ray: Any, task: Any) -> int:
    """Return a run's exit code; that of a failure where its task has none to give."""
    try:
        return ray.get(task)
    except ray.exceptions.RayError:
        return FAILED_CODE
