"""Run a job: its shards one after the other in this process, on a Ray cluster, or one a process.

However the shards are spread, a finished job is the same: the answers of each shard, in the order
of the table, and the refused prompts.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from earmark.annotate.backends.base import Backend
from earmark.annotate.jobs.answers import found_by, may_be_asked_again, stream_answers, totals_of
from earmark.annotate.jobs.job import Job
from earmark.annotate.jobs.local import LocalConfig, answer_shards
from earmark.annotate.jobs.ray_runner import RayConfig, answer_on_ray
from earmark.annotate.jobs.shards import Shard, begin_shards, begun_shards, sealed_path
from earmark.io import write_text
from earmark.records import Rejected
from earmark.tables import TableWriter


def answer_all(
    job: Job, where: LocalConfig | RayConfig, backend: Backend | None = None
) -> dict[str, int]:
    """Answer every prompt of a job; returns counts. Raises as `answer_shards`.

    `backend` is one that was built already; work in this process uses it and closes it.

    `job.folder` then holds the answers by shard, rejected.parquet (what was refused) and
    requests.json (tokens and requests in all, and what was found out about the backend).
    """
    shards = begin_shards(job.folder, len(job.prompts), where.shards or None)
    if isinstance(where, RayConfig):
        answer_on_ray(job, shards, where)
    else:
        answer_shards(job, shards, backend)
    return conclude(job)


def answer_one(job: Job, shard: Shard) -> bool:
    """Answer one shard of a job, as a task of a batch array; returns whether it was the last."""
    begin_shards(job.folder, len(job.prompts), shard.count)
    if may_be_asked_again(job.folder, shard):
        answer_shards(job, [shard])
    return is_answered(job)


def is_answered(job: Job) -> bool:
    """Return whether every shard has been sealed."""
    return bool(begun_shards(job.folder)) and not unfinished(job)


def unfinished(job: Job) -> list[Shard]:
    """Return the shards that have not been sealed, of those that the job was begun in."""
    shards = begun_shards(job.folder)
    return [shard for shard in shards if not sealed_path(job.folder, shard).exists()]


def conclude(job: Job) -> dict[str, int]:
    """Write what was refused and what it took in all; returns counts. Every shard is sealed."""
    shards = begun_shards(job.folder)
    totals = totals_of(job.folder, shards)
    told = {**totals, "found": found_by(job.folder, shards)}
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
