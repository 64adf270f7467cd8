"""Runs as tasks of a Ray cluster whose machines share the workspace's disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from earmark.annotate.execute.cluster import ray_cluster
from earmark.progress import Progress
from earmark.study.config import RayCluster
from earmark.study.runners import start_run
from earmark.study.worker import conclude

NO_CODE = 1


def run_on_ray(folders: Sequence[Path], root: Path, where: RayCluster, progress: Progress) -> None:
    """Do runs, as many at a time as the cluster has room for.

    A run whose machine died is told of as failed; the next call of the study does it.

    Raises:
        ConfigError: Ray is not installed, or has not what a run takes.
    """
    with ray_cluster(where.address, cpus=where.cpus, gpus=where.gpus, each="run") as ray:
        task = ray.remote(_run).options(num_cpus=where.cpus, num_gpus=where.gpus, max_retries=0)
        here = os.getcwd()
        left = {task.remote(each, root, here): each for each in folders}
        while left:
            done, _ = ray.wait(list(left), num_returns=1)
            for each in done:
                folder = left.pop(each)
                conclude(folder, _code(ray, each))
                progress.advance(note=folder.name)


def _run(folder: Path, root: Path, here: str) -> int:
    os.chdir(here)  # paths of a recipe may be relative
    return start_run(folder, root).wait()


def _code(ray: Any, task: Any) -> int:
    """Return a run's exit code; that of a failure where its task has none to give."""
    try:
        return ray.get(task)
    except ray.exceptions.RayError:
        return NO_CODE
