"""Runs as tasks of a Ray cluster whose machines share the workspace's disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from earmark.config import ConfigError
from earmark.progress import Progress
from earmark.study.config import RayCluster
from earmark.study.one_run import conclude
from earmark.study.processes import start_run

NO_CODE = 1


def run_on_ray(folders: Sequence[Path], root: Path, where: RayCluster, progress: Progress) -> None:
    """Do runs, as many at a time as the cluster has room for.

    A run whose machine died is told of as failed; the next call of the study does it.

    Raises:
        ConfigError: Ray is not installed, or has not what a run takes.
    """
    ray = _ray()
    started = not ray.is_initialized()
    if started:
        ray.init(address=where.address or None, log_to_driver=False, include_dashboard=False)
    try:
        _check_room(ray.cluster_resources(), where)
        task = ray.remote(_run).options(num_cpus=where.cpus, num_gpus=where.gpus, max_retries=0)
        here = os.getcwd()
        left = {task.remote(each, root, here): each for each in folders}
        while left:
            done, _ = ray.wait(list(left), num_returns=1)
            for each in done:
                folder = left.pop(each)
                conclude(folder, _code(ray, each))
                progress.advance(note=folder.name)
    finally:
        if started:
            ray.shutdown()


def _run(folder: Path, root: Path, here: str) -> int:
    os.chdir(here)  # paths of a recipe may be relative
    return start_run(folder, root).wait()


def _code(ray: Any, task: Any) -> int:
    """Return a run's exit code; that of a failure where its task has none to give."""
    try:
        return ray.get(task)
    except ray.exceptions.RayError:
        return NO_CODE


def _check_room(has: dict[str, float], where: RayCluster) -> None:
    """Refuse what Ray would wait for without a word: more than the whole cluster has."""
    for name, wanted in (("CPU", where.cpus), ("GPU", where.gpus)):
        if wanted > has.get(name, 0.0):
            raise ConfigError(
                f"execute.{name.lower()}s = {wanted:g} for each run, but the Ray cluster has "
                f"{has.get(name, 0.0):g} {name}s in all"
            )


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ConfigError("execute.kind = 'ray' wants Ray: pip install 'earmark[ray]'") from None
    return ray
