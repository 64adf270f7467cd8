"""Shards as tasks of a Ray cluster.

Ray carries shards, never single requests: a shard's own loop keeps a server busier than one task a
request could. Ray restarts a task whose worker died, and it resumes from the shard's journal.
`ray_cluster` joins or starts a cluster, checks that it is large enough, and leaves it again.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from earmark.annotate.jobs.answers import is_incomplete
from earmark.annotate.jobs.job import Job
from earmark.annotate.jobs.local import run_shards
from earmark.annotate.jobs.shards import Shard
from earmark.config import (
    Config,
    ConfigError,
    NonNegativeFloat,
    NonNegativeInt,
    Package,
    PositiveFloat,
)
from earmark.progress import track
from earmark.workspace import StageError


@contextmanager
def ray_cluster(address: str, *, cpus: float, gpus: float, each: str) -> Generator[Any]:
    """Give the module `ray`, connected; a connection that was made here is closed in the end.

    Args:
        address: of the cluster; "" for the one of the environment, else a new one on this machine.
        cpus: that each task takes.
        gpus: that each task takes.
        each: what a task is, for people, such as "shard".

    Raises:
        ConfigError: Ray is not installed, or the cluster has not what a task takes.
    """
    ray = _import_ray()
    started = not ray.is_initialized()
    if started:
        ray.init(address=address or None, log_to_driver=False, include_dashboard=False)
    try:
        _check_resources(ray.cluster_resources(), {"CPU": cpus, "GPU": gpus}, each)
        yield ray
    finally:
        if started:
            ray.shutdown()


def _check_resources(has: Mapping[str, float], takes: Mapping[str, float], each: str) -> None:
    """Refuse what Ray would wait for without a word: more than the whole cluster has."""
    for name, wanted in takes.items():
        if wanted > has.get(name, 0.0):
            raise ConfigError(
                f"execute.{name.lower()}s = {wanted:g} for each {each}, but the Ray cluster has "
                f"{has.get(name, 0.0):g} {name}s in all"
            )


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ConfigError("execute.kind = 'ray' wants Ray: pip install 'earmark[ray]'") from None
    return ray


class RayRunnerConfig(Config, frozen=True, kw_only=True, tag="ray", tag_field="kind"):
    """Spread shards over a Ray cluster whose machines share the workspace's disk.

    Args:
        shards: how many the job is cut into; 0 for one for each 50,000 rows.
        address: of the cluster; "" for the one of the environment, else a new one on this machine.
        cpus: that each shard takes.
        gpus: that each shard takes, for backends that run a model themselves.
        retries: how often a shard whose process died is begun again; it goes on from its journal.
    """

    shards: NonNegativeInt = 0
    address: str = ""
    cpus: PositiveFloat = 1.0
    gpus: NonNegativeFloat = 0.0
    retries: NonNegativeInt = 3

    @property
    def packages(self) -> tuple[Package, ...]:
        """The cluster's client."""
        return (Package("ray", "ray"),)


def run_on_ray(job: Job, shards: Sequence[Shard], where: RayRunnerConfig) -> None:
    """Answer the shards of a job on a Ray cluster, as many at a time as it has room for.

    Raises:
        ConfigError: Ray is not installed, or a setting cannot be right.
        StageError: shards failed; the others were finished.
    """
    with ray_cluster(where.address, cpus=where.cpus, gpus=where.gpus, each="shard") as ray:
        answer = ray.remote(_run_shard_task).options(
            num_cpus=where.cpus, num_gpus=where.gpus, max_retries=where.retries
        )
        left = [shard for shard in shards if is_incomplete(job.folder, shard)]
        # Workers run in folders of their own.
        table = replace(job.prompts, path=job.prompts.path.absolute())
        there = replace(job, prompts=table, folder=job.folder.absolute())
        _await_tasks(ray, {answer.remote(there, shard): shard for shard in left}, job.title)


def _run_shard_task(job: Job, shard: Shard) -> None:
    run_shards(job, [shard])


def _await_tasks(ray: Any, tasks: dict[Any, Shard], title: str) -> None:
    """Wait for every task; one shard's failure does not stop the others."""
    failed = list[tuple[Shard, Exception]]()
    with track(f"{title} on Ray", total=len(tasks), unit="shards") as progress:
        waiting = list(tasks)
        while waiting:
            done, waiting = ray.wait(waiting)
            for task in done:
                try:
                    ray.get(task)
                except ray.exceptions.RayError as error:
                    failed.append((tasks[task], error))
                progress.advance(1, f"{len(failed)} failed" if failed else "")
    if failed:
        shard, error = failed[0]
        lines = str(error).strip().splitlines()
        raise StageError(
            f"{title}: {len(failed)} of {len(tasks)} shards failed, the first is {shard.index} of "
            f"{shard.count}: {lines[-1]} The same command goes on from what is done."
        )
