"""One prompt to one answer: tried again where it failed, drawn again where it has a fault."""

from __future__ import annotations

import asyncio
import time
from random import Random

from msgspec.structs import replace

from earmark.annotate.backends.base import Backend, Completion, Prompt, Refusal
from earmark.annotate.execute.job import Fault
from earmark.annotate.jobs.answers import Answer

ATTEMPTS = 5
FIRST_PAUSE_S = 0.5


async def ask(backend: Backend, row: int, prompt: Prompt, fault: Fault, random: Random) -> Answer:
    """Return the answer to one prompt; one with a fault is asked for once more."""
    first = await _draw(backend, row, prompt, random)
    if first.status == "refused" or fault(first.text, first.finish_reason) is None:
        return first
    second = await _draw(backend, row, replace(prompt, draw=1), random)
    kept = first if second.status == "refused" else second  # an answer with a fault is one still
    return replace(
        kept,
        turned_down=first.text if kept is second else "",
        turned_down_finish_reason=first.finish_reason if kept is second else "",
        tokens_in=first.tokens_in + second.tokens_in,
        tokens_out=first.tokens_out + second.tokens_out,
        seconds=first.seconds + second.seconds,
        attempts=first.attempts + second.attempts,
    )


async def _draw(backend: Backend, row: int, prompt: Prompt, random: Random) -> Answer:
    for attempt in range(1, ATTEMPTS + 1):
        started_s = time.monotonic()
        outcome = await backend.generate(prompt)
        seconds = time.monotonic() - started_s
        if isinstance(outcome, Completion) or not outcome.retryable or attempt == ATTEMPTS:
            return _answer(row, prompt, backend, outcome, seconds, attempt)
        # Jitter: what failed together should not come back together.
        await asyncio.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
    raise AssertionError("the last attempt returns")


def _answer(
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
            passing=outcome.retryable or outcome.passing,
        )
    return replace(
        common,
        text=outcome.text,
        finish_reason=outcome.finish_reason,
        tokens_in=outcome.tokens_in,
        tokens_out=outcome.tokens_out,
    )
