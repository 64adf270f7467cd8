"""Try a captioner on known sounds before the job."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from earmark.annotate.backends.base import Backend, Prompt
from earmark.annotate.canary.failures import is_fatal
from earmark.annotate.canary.prober import LOST, Interview, Sleep
from earmark.annotate.canary.probes import LONG, NOISE, SHORT, SOUNDS, TOO_LONG, write_sounds
from earmark.annotate.canary.replies import Reply
from earmark.annotate.canary.session import hold
from earmark.annotate.canary.verdict import judge

DRAWS_ALONE = (0, 1, 0)
"""Three answers to each sound: one put again as it was, one with another seed."""

ROUNDS_TOGETHER = 4


def try_captioner(
    backend: Backend,
    folder: Path,
    *,
    limit_s: float,
    clips: Sequence[Prompt] = (),
    pause_s: float = 1.0,
    sleep: Sleep = asyncio.sleep,
) -> dict[str, int]:
    """Ask about known sounds, judge the answers, and close the backend.

    Six sounds are asked about alone, one after the other, three times each; then four times all
    at once; last comes one over the limit. `folder` gets the sounds, answers.jsonl and canary.json,
    before the verdict. A backend with several servers is tried on those that it picks itself.

    Args:
        backend: freshly built; it is used up.
        folder: of the step; what an earlier attempt left there is written over.
        limit_s: the longest clip that the model is said to take, seconds.
        clips: up to two clips of the job, as different as can be, to ask about as well.
        pause_s: before a probe is put again that was refused for a passing reason, seconds.
        sleep: how to wait for that.

    Returns:
        {"in": probes asked, "out": probes passed}, and the reasons of the others.

    Raises:
        StageError: the answers show that the server ignores the audio, mixes up batches, fails on
            long clips or refuses what is ordinary; the message says how, and why it may be so.
    """
    prompts = write_sounds(folder / "sounds", limit_s, clips)
    interview = Interview(backend, prompts, pause_s=pause_s, sleep=sleep)
    return hold(
        backend, interview, _talk, lambda replies: judge(replies, limit_s), "captioner", folder
    )


async def _talk(interview: Interview) -> None:
    if await _ask_alone(interview) and await _ask_together(interview):
        await _ask_over_the_limit(interview)


async def _ask_alone(interview: Interview) -> bool:
    """Ask about each sound with nothing else in flight; False where to go on is pointless."""
    for turn, draw in enumerate(DRAWS_ALONE):
        for name in SOUNDS:
            reply = await interview.ask(name, "alone", turn, draw=draw)
            if is_fatal(reply):
                if name == LONG:
                    await _ask_afterwards(interview, reply)
                return False
    return True


async def _ask_together(interview: Interview) -> bool:
    """Ask about all sounds at once, so that a server batches them; False as `_ask_alone`."""
    if interview.concurrency == 1:
        return True
    slots = asyncio.Semaphore(interview.concurrency)

    async def ask(name: str, turn: int) -> Reply:
        async with slots:
            return await interview.ask(name, "together", turn)

    # The short one first and the long one next, for servers with few slots.
    order = sorted(SOUNDS, key=(SHORT, LONG, *SOUNDS).index)
    for turn in range(ROUNDS_TOGETHER):
        replies = await asyncio.gather(*(ask(name, turn) for name in order))
        if any(is_fatal(reply) for reply in replies):
            return False
    return True


async def _ask_over_the_limit(interview: Interview) -> None:
    reply = await interview.ask(TOO_LONG, "over the limit", attempts=1)
    if reply.status == "refused" and reply.retryable:
        await _ask_afterwards(interview, reply)


async def _ask_afterwards(interview: Interview, reply: Reply) -> None:
    """See whether the server lives after a long clip; one that is lost was waited for already."""
    if reply.reason != LOST:
        await interview.ask(NOISE, "afterwards", attempts=1)
