"""Shards as tasks of a Ray cluster.

Ray carries shards, never single requests: a shard's own loop keeps a server busier than a task a
request could. A task whose worker died is begun again by Ray and goes on from the shard's journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from earmark.annotate.execute.cluster import ray_cluster
from earmark.annotate.execute.job import Job
from earmark.annotate.jobs.answers import may_be_asked_again
from earmark.annotate.jobs.local import answer_shards
from earmark.annotate.jobs.shards import Shard
from earmark.config import Config, NonNegativeFloat, NonNegativeInt, Package, PositiveFloat
from earmark.progress import track
from earmark.workspace import StageError


class RayConfig(Config, frozen=True, kw_only=True, tag="ray", tag_field="kind"):
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


def answer_on_ray(job: Job, shards: Sequence[Shard], where: RayConfig) -> None:
    """Answer the shards of a job on a Ray cluster, as many at a time as it has room for.

    Raises:
        ConfigError: Ray is not installed, or a setting cannot be right.
        StageError: shards failed; the others were finished.
    """
    with ray_cluster(where.address, cpus=where.cpus, gpus=where.gpus, each="shard") as ray:
        answer = ray.remote(_answer).options(
            num_cpus=where.cpus, num_gpus=where.gpus, max_retries=where.retries
        )
        left = [shard for shard in shards if may_be_asked_again(job.folder, shard)]
        # Workers run in folders of their own.
        table = replace(job.prompts, path=job.prompts.path.absolute())
        there = replace(job, prompts=table, folder=job.folder.absolute())
        _wait(ray, {answer.remote(there, shard): shard for shard in left}, job.title)


def _answer(job: Job, shard: Shard) -> None:
    answer_shards(job, [shard])


def _wait(ray: Any, tasks: dict[Any, Shard], title: str) -> None:
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
