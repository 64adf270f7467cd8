"""Run a job: its shards one after the other in this process, on a Ray cluster, or one a process.

However the shards are spread, a finished job is the same: the answers of each shard, in the order
of the table, and the refused prompts.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from earmark.annotate.backends.base import Backend
from earmark.annotate.jobs.answers import (
    collect_discovered,
    is_incomplete,
    stream_answers,
    sum_totals,
)
from earmark.annotate.jobs.job import Job
from earmark.annotate.jobs.local import LocalRunnerConfig, run_shards
from earmark.annotate.jobs.ray_runner import RayRunnerConfig, run_on_ray
from earmark.annotate.jobs.shards import Shard, create_shards, read_shards, sealed_path
from earmark.io import write_text
from earmark.records import Rejected
from earmark.tables import TableWriter


def run_job(
    job: Job, where: LocalRunnerConfig | RayRunnerConfig, backend: Backend | None = None
) -> dict[str, int]:
    """Answer every prompt of a job; returns counts. Raises as `run_shards`.

    `backend` is one that was built already; work in this process uses it and closes it.

    `job.folder` then holds the answers by shard, rejected.parquet (what was refused) and
    requests.json (tokens and requests in all, and what was found out about the backend).
    """
    shards = create_shards(job.folder, len(job.prompts), where.shards or None)
    if isinstance(where, RayRunnerConfig):
        run_on_ray(job, shards, where)
    else:
        run_shards(job, shards, backend)
    return finish_job(job)


def run_single_shard(job: Job, shard: Shard) -> bool:
    """Answer one shard of a job, as a task of a batch array; returns whether it was the last."""
    create_shards(job.folder, len(job.prompts), shard.count)
    if is_incomplete(job.folder, shard):
        run_shards(job, [shard])
    return is_job_sealed(job)


def is_job_sealed(job: Job) -> bool:
    """Return whether every shard has been sealed."""
    return bool(read_shards(job.folder)) and not unsealed_shards(job)


def unsealed_shards(job: Job) -> list[Shard]:
    """Return the shards that have not been sealed, of those that the job was begun in."""
    shards = read_shards(job.folder)
    return [shard for shard in shards if not sealed_path(job.folder, shard).exists()]


def finish_job(job: Job) -> dict[str, int]:
    """Write what was refused and what it took in all; returns counts. Every shard is sealed."""
    shards = read_shards(job.folder)
    totals = sum_totals(job.folder, shards)
    told = {**totals, "found": collect_discovered(job.folder, shards)}
    write_text(job.folder / "requests.json", msgspec.json.encode(told).decode())
    reasons = Counter[str]()
    with TableWriter(job.folder / "rejected.parquet", Rejected) as rejected:
        for answer in stream_answers(job.folder):
            if answer.status == "refused":
                reasons[f"{job.title}: {answer.reason}"] += 1
                rejected.append(
                    Rejected(
                        id=answer.id, stage=job.title, reason=answer.reason, detail=answer.detail
                    )
                )
    given = totals.get("answers", 0)
    return {"in": given, "out": given - reasons.total(), **dict(reasons.most_common())}
