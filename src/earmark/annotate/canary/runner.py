"""Run a canary: probe a captioner or a tagger, write down the replies, and judge them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec

from earmark.annotate.backends.base import Backend, Prompt
from earmark.annotate.canary.checks import (
    is_fatal,
    judge,
    stop_if_never_there,
)
from earmark.annotate.canary.prober import LOST, Finding, Interview, Reply, Sleep, answered, quote
from earmark.annotate.canary.probes import LONG, NOISE, SHORT, SOUNDS, TOO_LONG, write_sounds
from earmark.annotate.canary.similarity import content_words, likeness
from earmark.annotate.jobs.local import run_to_end
from earmark.io import write_text
from earmark.tables import write_jsonl
from earmark.workspace import StageError


def record(
    folder: Path,
    backend: Backend,
    replies: Sequence[Reply],
    findings: Sequence[Finding],
    *,
    finished: bool,
) -> None:
    """Write answers.jsonl and canary.json for people to read.

    `finished` says that nothing was raised while asking.
    """
    write_jsonl(folder / "answers.jsonl", replies)
    stopped = any(finding.stop for finding in findings)
    summary = {
        "backend": backend.fingerprint,
        "verdict": "stopped" if stopped else "passed" if finished else "unfinished",
        "findings": msgspec.to_builtins(findings),
    }
    text = msgspec.json.format(msgspec.json.encode(summary), indent=2).decode()
    write_text(folder / "canary.json", text + "\n")


def counts(replies: Sequence[Reply]) -> dict[str, int]:
    """Return {"in": probes asked, "out": probes passed} and the reasons of the others.

    A clip over the limit that was refused for good has passed.
    """
    failed = [
        reply
        for reply in replies
        if reply.status == "refused" and (reply.retryable or reply.way != "over the limit")
    ]
    counted = {"in": len(replies), "out": len(replies) - len(failed)}
    for reply in failed:
        reason = f"{reply.name}: {reply.reason}"
        counted[reason] = counted.get(reason, 0) + 1
    return counted


def stop_if_bad(findings: Sequence[Finding], role: str, folder: Path) -> None:
    """Raise StageError with the first finding that stops the job, if there is one.

    `role` is "captioner" or "tagger".
    """
    for finding in findings:
        if finding.stop:
            raise StageError(explain(finding, role, folder))


def explain(finding: Finding, role: str, folder: Path) -> str:
    """Return a finding in plain words: what was asked, what came back, what that means."""
    lines = [
        f"canary: the {role} is not fit for the job ({finding.name}). {finding.meaning}"
        if finding.stop
        else f"canary: warning, {finding.name}. {finding.meaning}",
        f"  asked: {finding.asked}",
        f"  came back: {finding.answered}",
    ]
    if finding.causes:
        lines += ["  usual causes:", *(f"  - {cause}" for cause in finding.causes)]
    if finding.stop:
        lines.append(
            f"  Every answer is in {folder / 'answers.jsonl'}. Run again when it is mended; "
            "--no-canary starts the job without this check."
        )
    return "\n".join(lines)


def hold(
    backend: Backend,
    interview: Interview,
    talk: Callable[[Interview], Coroutine[Any, Any, None]],
    judge: Callable[[Sequence[Reply]], list[Finding]],
    role: str,
    folder: Path,
) -> dict[str, int]:
    """Talk, close the backend, write down what was said, and judge; returns counts.

    Raises:
        StageError: the servers never answered, or a finding stops the job. What was said is written
            down before.
    """

    async def talk_and_close() -> None:
        async with aclosing(backend):
            await talk(interview)

    finished = False
    try:
        run_to_end(talk_and_close)
        finished = True
    finally:
        findings = judge(interview.replies)
        record(folder, backend, interview.replies, findings, finished=finished)
    stop_if_never_there(interview.replies)
    stop_if_bad(findings, role, folder)
    for finding in findings:
        print(explain(finding, role, folder), file=sys.stderr, flush=True)
    return counts(interview.replies)


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
        backend,
        interview,
        _probe_captioner,
        lambda replies: judge(replies, limit_s),
        "captioner",
        folder,
    )


async def _probe_captioner(interview: Interview) -> None:
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


SPEECH, MUSIC = "speech", "music"

CAPTIONS = {
    SPEECH: (
        "A middle-aged woman speaks calmly in English, close to the microphone, in a small quiet "
        "room. A chair creaks once and a clock ticks faintly behind her. She explains how bread "
        "is baked, with short pauses and a friendly tone.\n\n"
        "In summary, this is a clear recording of a woman who teaches a recipe at home."
    ),
    MUSIC: (
        "A fast rock band plays on a stage: distorted electric guitars, a driving bass and loud "
        "drums. A crowd cheers and claps along in a wide hall with long reverberation. There is "
        "no singing, and the tempo does not change.\n\n"
        "In summary, this is an energetic live concert of instrumental rock music."
    ),
}

SAME_TAGS = 0.9
"""From this likeness on two lists of tags are one; those of a fit tagger share hardly a word."""

_CAUSES = (
    "it is a base model: it goes on writing where an instructed one answers",
    "the server has no chat template for the model, or a wrong one",
    "the server ignores or refuses the response format: set the backend's dialect",
    "the instruction of the recipe asks for something else than a list of tags",
)


def try_tagger(
    backend: Backend,
    folder: Path,
    *,
    readable: Callable[[str], bool],
    pause_s: float = 1.0,
    sleep: Sleep = asyncio.sleep,
) -> dict[str, int]:
    """Have a caption of speech and one of music tagged, judge the answers, close the backend.

    `readable` says whether a raw answer can be read as tags. Files and counts are as of
    `try_captioner`.

    Raises:
        StageError: an answer was refused or cannot be read, or both are the same.
    """
    prompts = {name: Prompt(id=f"canary {name}", text=text) for name, text in CAPTIONS.items()}
    interview = Interview(backend, prompts, pause_s=pause_s, sleep=sleep)
    folder.mkdir(parents=True, exist_ok=True)
    return hold(
        backend,
        interview,
        _probe_tagger,
        lambda replies: judge_tags(replies, readable),
        "tagger",
        folder,
    )


def judge_tags(replies: Sequence[Reply], readable: Callable[[str], bool]) -> list[Finding]:
    """Return what a tagger's replies show."""
    for reply in replies:
        if reply.status == "refused":
            return [_bad("refused", reply, f"{reply.reason} {quote(reply.detail)}", "no answer")]
        if not readable(reply.text):
            return [_bad("unreadable", reply, quote(reply.text), "no list of tags")]
    words = [content_words(reply.text) for reply in answered(replies, "alone")]
    if len(words) == 2 and likeness(*words) >= SAME_TAGS:
        came_back = " and ".join(quote(reply.text) for reply in replies)
        return [_bad("text ignored", replies[-1], came_back, "the same tags for both")]
    return []


def _bad(name: str, reply: Reply, came_back: str, what: str) -> Finding:
    return Finding(
        name=name,
        stop=True,
        asked=f"to tag a caption of {reply.name}",
        answered=came_back,
        meaning=f"An ordinary caption got {what}.",
        causes=_CAUSES,
    )


async def _probe_tagger(interview: Interview) -> None:
    for name in CAPTIONS:
        await interview.ask(name, "alone")
