"""Work on shards in this process: bounded, journaled, resumable.

Workers take prompts from one iterator, so the number in flight is bounded and nothing is queued.
One writer collects the answers and commits them to the journals in groups, in a thread, so that
the disk delays no request. A prompt is tried again where it failed, and drawn again where its
answer has a fault.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from msgspec.structs import replace

from earmark.annotate.backends.base import Backend, Completion, Prompt, Refusal
from earmark.annotate.jobs.answers import Answer, ShardWriter, is_incomplete
from earmark.annotate.jobs.job import AnswerCheck, Job
from earmark.annotate.jobs.shards import Shard
from earmark.config import Config, ConfigError, NonNegativeInt
from earmark.progress import Progress, track
from earmark.workspace import StageError

T = TypeVar("T")


def run_sync(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `main()` in a loop of its own and return its result.

    Where a loop runs in this thread already, as in a notebook, it is run in another thread.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(main())
    with ThreadPoolExecutor(1, "loop") as thread:
        return thread.submit(lambda: asyncio.run(main())).result()


MAX_ATTEMPTS = 5

FIRST_RETRY_PAUSE_S = 0.5


async def answer_prompt(
    backend: Backend, row: int, prompt: Prompt, fault: AnswerCheck, random: Random
) -> Answer:
    """Return the answer to one prompt; one with a fault is asked for once more."""
    first = await _generate_with_retries(backend, row, prompt, random)
    if first.status == "refused" or fault(first.text, first.finish_reason) is None:
        return first
    second = await _generate_with_retries(backend, row, replace(prompt, draw=1), random)
    kept = first if second.status == "refused" else second  # an answer with a fault is one still
    return replace(
        kept,
        first_draw=first.text if kept is second else "",
        first_draw_finish_reason=first.finish_reason if kept is second else "",
        tokens_in=first.tokens_in + second.tokens_in,
        tokens_out=first.tokens_out + second.tokens_out,
        seconds=first.seconds + second.seconds,
        attempts=first.attempts + second.attempts,
    )


async def _generate_with_retries(
    backend: Backend, row: int, prompt: Prompt, random: Random
) -> Answer:
    for attempt in range(1, MAX_ATTEMPTS + 1):
        started_s = time.monotonic()
        outcome = await backend.generate(prompt)
        seconds = time.monotonic() - started_s
        if isinstance(outcome, Completion) or not outcome.retryable or attempt == MAX_ATTEMPTS:
            return _build_answer(row, prompt, backend, outcome, seconds, attempt)
        # Jitter: what failed together should not come back together.
        await asyncio.sleep(FIRST_RETRY_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
    raise AssertionError("the last attempt returns")


def _build_answer(
    row: int,
    prompt: Prompt,
    backend: Backend,
    outcome: Completion | Refusal,
    seconds: float,
    attempts: int,
) -> Answer:
    common = Answer(
        row=row,
        id=prompt.id,
        backend=backend.fingerprint,
        status="ok" if isinstance(outcome, Completion) else "refused",
        seconds=round(seconds, 4),
        attempts=attempts,
    )
    if isinstance(outcome, Refusal):
        return replace(
            common,
            reason=outcome.reason,
            detail=outcome.detail,
            transient=outcome.retryable or outcome.transient,
        )
    return replace(
        common,
        text=outcome.text,
        finish_reason=outcome.finish_reason,
        tokens_in=outcome.tokens_in,
        tokens_out=outcome.tokens_out,
    )


MAX_CONSECUTIVE_FAILURES = 32
"""Of prompts that may be answered another day; then it is not the prompts that are at fault."""

PROGRESS_UNITS = {"audio": "clips", "text": "captions"}


class LocalRunnerConfig(Config, frozen=True, kw_only=True, tag="local", tag_field="kind"):
    """Work in this process.

    Args:
        shards: how many the job is cut into; 0 for one for each 50,000 rows.
    """

    shards: NonNegativeInt = 0


def run_shards(job: Job, shards: Sequence[Shard], backend: Backend | None = None) -> None:
    """Ask what is unanswered in these shards, and seal each one whose every row has its answer.

    `backend` is the job's, where it was built already; it is closed at the end.

    Raises:
        ConfigError: another process works on one of them, or a setting cannot be right.
        StageError: the backend is out of order; what was answered is kept, and the next call goes
            on from there.
    """
    total = len(job.prompts)
    rows = sum(len(shard.rows(total)) for shard in shards)
    with track(job.title, total=rows, unit=PROGRESS_UNITS[job.prompts.kind]) as progress:
        run = _LocalRun(job, shards, progress, backend=backend)
        try:
            run_sync(run.run)
        except BaseExceptionGroup as group:
            raise _pick_user_error(group) from None
        finally:
            run.disk.shutdown()
            for ledger in run.open:
                ledger.close()


AnswerQueue = asyncio.Queue[tuple[ShardWriter, Answer] | None]
"""Answers on their way to the disk; None comes last."""


@dataclass
class _LocalRun:
    """A job under way; `proven` may be written down, `failed` waits for proof of the backend."""

    job: Job
    shards: Sequence[Shard]
    progress: Progress
    random: Random = field(default_factory=Random)
    backend: Backend | None = None
    in_flight: int = 0
    tokens: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    failed: list[tuple[ShardWriter, Answer]] = field(
        default_factory=list[tuple[ShardWriter, Answer]]
    )
    proven: dict[ShardWriter, list[Answer]] = field(default_factory=dict[ShardWriter, list[Answer]])
    open: list[ShardWriter] = field(default_factory=list[ShardWriter])
    sealing: list[asyncio.Future[None]] = field(default_factory=list[asyncio.Future[None]])
    disk: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "ledger"))
    started_s: float = field(default_factory=time.monotonic)

    async def run(self) -> None:
        """Do all there is to do."""
        waiting = self._waiting()
        async with aclosing(self.backend or self.job.backend.build()) as backend:
            self.backend = backend
            arrived: AnswerQueue = asyncio.Queue(4 * backend.concurrency)
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(self._write(arrived))
                async with asyncio.TaskGroup() as workers:
                    for _ in range(backend.concurrency):
                        workers.create_task(self._work(waiting, backend, arrived))
                await arrived.put(None)
                await writer

    def _waiting(self) -> Iterator[tuple[ShardWriter, int, Prompt]]:
        """Yield what has no answer yet; each shard is opened when its turn comes."""
        total = len(self.job.prompts)
        for shard in self.shards:
            if not is_incomplete(self.job.folder, shard):
                self.progress.resume(len(shard.rows(total)))
                continue
            ledger = ShardWriter(self.job.folder, shard, total)
            self.open.append(ledger)
            self.progress.resume(len(ledger.rows) - ledger.left)
            if ledger.left == 0:
                ledger.seal()
            for row, prompt in self.job.prompts.read(ledger.rows, ledger.done):
                yield ledger, row, prompt

    async def _work(
        self,
        waiting: Iterator[tuple[ShardWriter, int, Prompt]],
        backend: Backend,
        arrived: AnswerQueue,
    ) -> None:
        for ledger, row, prompt in waiting:
            self.in_flight += 1
            answer = await answer_prompt(backend, row, prompt, self.job.fault, self.random)
            self.in_flight -= 1
            await arrived.put((ledger, answer))

    async def _write(self, arrived: AnswerQueue) -> None:
        """Commit answers in groups: all that have come in while the last group went to the disk."""
        finished = False
        try:
            while not finished:
                finished = self._take(await arrived.get())
                while not arrived.empty():
                    finished = self._take(arrived.get_nowait())
                if finished:
                    self._release()
                await self._commit()
            await asyncio.gather(*self.sealing)
        except (asyncio.CancelledError, StageError):
            self._rescue(arrived)
            raise

    def _rescue(self, arrived: AnswerQueue) -> None:
        """Write down what was paid for and is still on its way; failures are not."""
        while not arrived.empty():
            item = arrived.get_nowait()
            if item is not None and not item[1].transient:
                self.proven.setdefault(item[0], []).append(item[1])
        for ledger, answers in self.proven.items():
            ledger.append(answers)

    async def _commit(self) -> None:
        while self.proven:
            ledger, answers = self.proven.popitem()
            # Shielded: a thread cannot be stopped, and nobody else may write meanwhile.
            writing = self._on_disk(self._keep, ledger, answers)
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await writing
                raise
            if ledger.left == 0:
                self.sealing.append(self._on_disk(ledger.seal))
            self._tell(answers)

    def _keep(self, ledger: ShardWriter, answers: Sequence[Answer]) -> None:
        ledger.append(answers)
        if self.backend is not None:
            ledger.record_discovered(self.backend.discovered)

    def _on_disk(self, work: Callable[..., None], *args: object) -> asyncio.Future[None]:
        """Do what writes in a thread of its own: no read that hangs may hold it up."""
        return asyncio.get_running_loop().run_in_executor(self.disk, work, *args)

    def _take(self, item: tuple[ShardWriter, Answer] | None) -> bool:
        """Take an answer in; returns whether it was the last.

        Failures may be written down only once another prompt was answered, so that a backend which
        fails at everything does not use up the rows.
        """
        if item is None:
            return True
        self.failed.append(item)
        if not item[1].transient:
            self._release()
        elif len(self.failed) >= MAX_CONSECUTIVE_FAILURES:
            raise StageError(
                _backend_failed_message(self.job.title, [answer for _, answer in self.failed])
            )
        return False

    def _release(self) -> None:
        for ledger, answer in self.failed:
            self.proven.setdefault(ledger, []).append(answer)
        self.failed.clear()

    def _tell(self, answers: Sequence[Answer]) -> None:
        self.refused.update(answer.reason for answer in answers if answer.status == "refused")
        self.tokens += sum(answer.tokens_out for answer in answers)
        notes = [f"{count} {reason}" for reason, count in self.refused.most_common()]
        if self.tokens:
            elapsed_s = max(time.monotonic() - self.started_s, 1e-9)
            notes.append(f"{self.tokens / elapsed_s:.0f} tokens/s")
        notes.append(f"{self.in_flight} in flight")
        self.progress.advance(len(answers), ", ".join(notes))


def _backend_failed_message(title: str, failed: Sequence[Answer]) -> str:
    reasons = Counter(answer.reason for answer in failed).most_common()
    told = ", ".join(f"{count} {reason}" for reason, count in reasons)
    return (
        f"{title}: {len(failed)} prompts in a row failed ({told}), none was answered in between; "
        f"the last: {failed[-1].detail or failed[-1].reason}. That is the backend's fault, so none "
        "of these was written down. What was answered before is kept: mend the backend and run "
        "the same command again."
    )


def _pick_user_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error for the user among those of several tasks, or the first there is."""
    leaves = list[BaseException]()
    nested = list[BaseException](group.exceptions)
    while nested:
        error = nested.pop(0)
        if isinstance(error, BaseExceptionGroup):
            nested.extend(error.exceptions)
        else:
            leaves.append(error)
    for_user = [error for error in leaves if isinstance(error, StageError | ConfigError)]
    return (for_user or leaves)[0]
