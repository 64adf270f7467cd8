"""Runs as tasks of a Ray cluster whose machines share the workspace's disk."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from earmark.config import ConfigError
from earmark.progress import Progress
from earmark.study.config import RayCluster
from earmark.study.processes import command, conclude


def run_on_ray(folders: Sequence[Path], root: Path, where: RayCluster, progress: Progress) -> None:
    """Do runs, as many at a time as the cluster has room for.

    A run whose machine died is left undone, and told of; the next call does it.

    Raises:
        ConfigError: Ray is not installed, or has not what a run takes.
    """
    ray = _ray()
    started = not ray.is_initialized()
    if started:
        ray.init(address=where.address or None, log_to_driver=False, include_dashboard=False)
    try:
        has: dict[str, float] = ray.cluster_resources()
        for name, wanted in (("CPU", where.cpus), ("GPU", where.gpus)):
            if wanted > has.get(name, 0.0):
                raise ConfigError(
                    f"execute.{name.lower()}s = {wanted:g} for each run, but the Ray cluster has "
                    f"{has.get(name, 0.0):g} {name}s in all"
                )
        task = ray.remote(_run).options(num_cpus=where.cpus, num_gpus=where.gpus)
        left = {task.remote(each.absolute(), root.absolute()): each for each in folders}
        while left:
            done, _ = ray.wait(list(left), num_returns=1)
            for each in done:
                folder = left.pop(each)
                conclude(folder, ray.get(each))
                progress.advance(note=folder.name)
    finally:
        if started:
            ray.shutdown()


def _run(folder: Path, root: Path) -> int:
    with open(folder / "log.txt", "ab") as log:
        return subprocess.call(
            command(folder, root), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ConfigError("execute.kind = \"ray\" needs Ray: pip install 'earmark[ray]'") from None
    return ray
