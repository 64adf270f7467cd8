"""Estimate the time, tokens and cost of a whole job from a few of its prompts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from random import Random

import msgspec

from earmark.annotate.backends.base import Prompt
from earmark.annotate.backends.endpoint import RequestConfig
from earmark.annotate.jobs.answers import Answer
from earmark.annotate.jobs.job import BackendConfig, Job
from earmark.annotate.jobs.local import answer_prompt, run_sync
from earmark.workspace import StageError

SAMPLE_PROMPTS = 20


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """What a backend costs, in any currency; 0 where it costs nothing."""

    per_million_tokens_in: float = 0.0
    per_million_tokens_out: float = 0.0
    per_hour: float = 0.0


class JobEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a sample, and what it means for `total` prompts.

    `seconds` is the time that the whole sample took, `at_once` how many were in flight, `most`
    how many the backend would take.
    """

    title: str
    total: int
    answers: tuple[Answer, ...]
    seconds: float
    at_once: int
    most: int
    prices: Prices

    @property
    def prompts_per_s(self) -> float:
        """Return the rate of the sample: a lower bound where the job has more in flight."""
        return len(self.answers) / max(self.seconds, 1e-9)

    @property
    def hours(self) -> float:
        """Return the time of the whole job at the rate of the sample."""
        return self.total / self.prompts_per_s / 3600

    @property
    def cost(self) -> float:
        """Return the price of the whole job."""
        scale = self.total / len(self.answers) / 1e6
        tokens_in = sum(answer.tokens_in for answer in self.answers)
        tokens_out = sum(answer.tokens_out for answer in self.answers)
        return (
            scale * tokens_in * self.prices.per_million_tokens_in
            + scale * tokens_out * self.prices.per_million_tokens_out
            + self.hours * self.prices.per_hour
        )

    def __str__(self) -> str:
        """Return a line a figure, for people."""
        count = len(self.answers)
        refused = sum(answer.status == "refused" for answer in self.answers)
        tokens_in = sum(answer.tokens_in for answer in self.answers) / count
        tokens_out = sum(answer.tokens_out for answer in self.answers) / count
        bound = " at least" if self.at_once < self.most else ""
        lines = [
            f"{self.title}: {count} of {self.total} tried in {self.seconds:.1f} s, "
            f"{self.at_once} at once, {refused} refused",
            f"rate     {self.prompts_per_s:.2f} clips/s{bound}",
            f"tokens   {tokens_in:.0f} in, {tokens_out:.0f} out a clip",
            f"time     {self.hours:.1f} hours for all{' at most' if bound else ''}",
        ]
        if self.prices != Prices():
            lines.append(f"cost     {self.cost:.2f}{' at most' if bound else ''}")
        else:
            lines.append("cost     no prices in the recipe")
        return "\n".join(lines)


def estimate_job(job: Job) -> JobEstimate:
    """Ask prompts spread evenly over the table, one draw each and nothing kept.

    Raises:
        StageError: the table is empty, or the backend is out of order.
    """
    total = len(job.prompts)
    if total == 0:
        raise StageError(f"{job.title}: there is nothing to estimate, for no prompt came in")
    count = min(SAMPLE_PROMPTS, total)
    rows = [total * (2 * place + 1) // (2 * count) for place in range(count)]
    prompts = [prompt for row in rows for _, prompt in job.prompts.read(range(row, row + 1))]
    return run_sync(lambda: _run_sample(job, prompts, total))


async def _run_sample(job: Job, prompts: Sequence[Prompt], total: int) -> JobEstimate:
    random = Random(0)
    async with aclosing(job.backend.build()) as backend:
        # The first one also loads the model and opens the connections: it is not timed.
        warm = await answer_prompt(backend, 0, prompts[0], _accept_any, random)
        if len(prompts) == 1:
            answers, seconds = [warm], warm.seconds
        else:
            room = asyncio.Semaphore(backend.concurrency)
            started_s = time.monotonic()

            async def one(row: int, prompt: Prompt) -> Answer:
                async with room:
                    return await answer_prompt(backend, row, prompt, _accept_any, random)

            answers = await asyncio.gather(*(one(*item) for item in enumerate(prompts)))
            seconds = time.monotonic() - started_s
        return JobEstimate(
            title=job.title,
            total=total,
            answers=tuple(answers),
            seconds=seconds,
            at_once=min(len(prompts), backend.concurrency),
            most=backend.concurrency,
            prices=_prices(job.backend),
        )


def _prices(backend: BackendConfig) -> Prices:
    if not isinstance(backend, RequestConfig):
        return Prices()
    return Prices(
        per_million_tokens_in=backend.price_per_million_tokens_in,
        per_million_tokens_out=backend.price_per_million_tokens_out,
        per_hour=backend.price_per_hour,
    )


def _accept_any(text: str, finish_reason: str) -> None:
    """Turn nothing down: an estimate is of the first draws."""
