"""Put prompts to a backend and keep every answer: bounded, journalled, resumable.

Workers take prompts from one iterator, so the number in flight is bounded and nothing is queued;
one writer gathers what has come in and commits it to the journal in groups.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from earmark.progress import Progress, track
from earmark.records import Row, read_parquet, write_parquet

from .backends.base import Backend, Completion, Prompt, Refusal
from .ledger import Journal

ATTEMPTS = 3
FIRST_PAUSE_S = 1.0


class Answer(Row, frozen=True, kw_only=True):
    """One prompt's outcome, kept raw so that a better parser can be run over it for nothing.

    `status` is "ok" or "refused"; `reason` and `detail` say why it was refused. `seconds` is the
    time of the last attempt.
    """

    id: str
    backend: str
    status: str
    reason: str = ""
    detail: str = ""
    text: str = ""
    finish_reason: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    attempts: int = 1


def answer_all(
    prompts: Sequence[Prompt], backend: Backend, folder: Path, *, title: str
) -> list[Answer]:
    """Return one answer for each prompt, in order; answers already in `folder` are not asked again.

    While it runs, `folder` holds answers.jsonl; at the end this is sealed into answers.parquet.
    """
    sealed, journal_path = folder / "answers.parquet", folder / "answers.jsonl"
    if not sealed.exists():
        journal = Journal(journal_path, Answer, key=lambda answer: answer.id)
        try:
            _run(prompts, backend, journal, title)
            by_id = {answer.id: answer for answer in journal.rows()}
        finally:
            journal.close()
        write_parquet(sealed, [by_id[prompt.id] for prompt in prompts], Answer)
    journal_path.unlink(missing_ok=True)
    return read_parquet(sealed, Answer)


def _run(prompts: Sequence[Prompt], backend: Backend, journal: Journal[Answer], title: str) -> None:
    waiting = [prompt for prompt in prompts if prompt.id not in journal]
    with track(title, total=len(prompts), resumed=len(prompts) - len(waiting)) as progress:
        asyncio.run(_answer(waiting, backend, journal, progress))


async def _answer(
    prompts: Iterable[Prompt], backend: Backend, journal: Journal[Answer], progress: Progress
) -> None:
    answers: asyncio.Queue[Answer | None] = asyncio.Queue(maxsize=4 * backend.concurrency)
    shared = iter(prompts)
    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(_write(answers, journal, progress))
        async with asyncio.TaskGroup() as workers:
            for _ in range(backend.concurrency):
                workers.create_task(_work(shared, backend, answers))
        await answers.put(None)
        await writer


async def _work(
    prompts: Iterator[Prompt], backend: Backend, answers: asyncio.Queue[Answer | None]
) -> None:
    for prompt in prompts:
        await answers.put(await _ask(prompt, backend))


async def _ask(prompt: Prompt, backend: Backend) -> Answer:
    for attempt in range(1, ATTEMPTS + 1):
        started_s = time.monotonic()
        outcome = await backend.generate(prompt)
        seconds = time.monotonic() - started_s
        if isinstance(outcome, Completion) or not outcome.retryable or attempt == ATTEMPTS:
            return _to_answer(prompt, backend, outcome, seconds, attempt)
        await asyncio.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1))
    raise AssertionError("the last attempt returns")


def _to_answer(
    prompt: Prompt, backend: Backend, outcome: Completion | Refusal, seconds: float, attempts: int
) -> Answer:
    common = Answer(
        id=prompt.id,
        backend=backend.fingerprint,
        status="ok" if isinstance(outcome, Completion) else "refused",
        seconds=seconds,
        attempts=attempts,
    )
    if isinstance(outcome, Refusal):
        return replace(common, reason=outcome.reason, detail=outcome.detail)
    return replace(
        common,
        text=outcome.text,
        finish_reason=outcome.finish_reason,
        tokens_in=outcome.tokens_in,
        tokens_out=outcome.tokens_out,
    )


async def _write(
    answers: asyncio.Queue[Answer | None], journal: Journal[Answer], progress: Progress
) -> None:
    """Commit answers in groups: all that have come in while the last group went to the disk."""
    refused, finished = 0, False
    while not finished:
        group = [await answers.get()]
        while not answers.empty():
            group.append(answers.get_nowait())
        finished = group[-1] is None
        arrived = [answer for answer in group if answer is not None]
        journal.append(arrived)
        refused += sum(answer.status == "refused" for answer in arrived)
        progress.advance(len(arrived), f"{refused} refused" if refused else "")
