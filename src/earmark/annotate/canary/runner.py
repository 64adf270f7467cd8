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
from earmark.annotate.canary.checks import is_fatal, judge_captioner, raise_if_unreachable
from earmark.annotate.canary.prober import (
    SERVER_LOST,
    Finding,
    Prober,
    Reply,
    Sleep,
    answered_replies,
    quote,
)
from earmark.annotate.canary.probes import (
    LONG,
    NOISE,
    PROBE_SOUNDS,
    SHORT,
    TOO_LONG,
    write_probe_sounds,
)
from earmark.annotate.canary.similarity import content_words, similarity
from earmark.annotate.jobs.local import run_sync
from earmark.io import write_text
from earmark.tables import write_jsonl
from earmark.workspace import StageError


def write_verdict(
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


def count_replies(replies: Sequence[Reply]) -> dict[str, int]:
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


def raise_if_stopped(findings: Sequence[Finding], role: str, folder: Path) -> None:
    """Raise StageError with the first finding that stops the job, if there is one.

    `role` is "captioner" or "tagger".
    """
    for finding in findings:
        if finding.stop:
            raise StageError(format_finding(finding, role, folder))


def format_finding(finding: Finding, role: str, folder: Path) -> str:
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


def run_canary(
    backend: Backend,
    interview: Prober,
    talk: Callable[[Prober], Coroutine[Any, Any, None]],
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
        run_sync(talk_and_close)
        finished = True
    finally:
        findings = judge(interview.replies)
        write_verdict(folder, backend, interview.replies, findings, finished=finished)
    raise_if_unreachable(interview.replies)
    raise_if_stopped(findings, role, folder)
    for finding in findings:
        print(format_finding(finding, role, folder), file=sys.stderr, flush=True)
    return count_replies(interview.replies)


SOLO_DRAWS = (0, 1, 0)
"""Three answers to each sound: one put again as it was, one with another seed."""

BATCH_ROUNDS = 4


def check_captioner(
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
        pause_s: before a probe is put again that was refused for a transient reason, seconds.
        sleep: how to wait for that.

    Returns:
        {"in": probes asked, "out": probes passed}, and the reasons of the others.

    Raises:
        StageError: the answers show that the server ignores the audio, mixes up batches, fails on
            long clips or refuses what is ordinary; the message says how, and why it may be so.
    """
    prompts = write_probe_sounds(folder / "sounds", limit_s, clips)
    interview = Prober(backend, prompts, pause_s=pause_s, sleep=sleep)
    return run_canary(
        backend,
        interview,
        _probe_captioner,
        lambda replies: judge_captioner(replies, limit_s),
        "captioner",
        folder,
    )


async def _probe_captioner(interview: Prober) -> None:
    if await _probe_alone(interview) and await _probe_together(interview):
        await _probe_over_limit(interview)


async def _probe_alone(interview: Prober) -> bool:
    """Ask about each sound with nothing else in flight; False where to go on is pointless."""
    for turn, draw in enumerate(SOLO_DRAWS):
        for name in PROBE_SOUNDS:
            reply = await interview.ask(name, "alone", turn, draw=draw)
            if is_fatal(reply):
                if name == LONG:
                    await _probe_recovery(interview, reply)
                return False
    return True


async def _probe_together(interview: Prober) -> bool:
    """Ask about all sounds at once, so that a server batches them; False as `_probe_alone`."""
    if interview.concurrency == 1:
        return True
    slots = asyncio.Semaphore(interview.concurrency)

    async def ask(name: str, turn: int) -> Reply:
        async with slots:
            return await interview.ask(name, "together", turn)

    # The short one first and the long one next, for servers with few slots.
    order = sorted(PROBE_SOUNDS, key=(SHORT, LONG, *PROBE_SOUNDS).index)
    for turn in range(BATCH_ROUNDS):
        replies = await asyncio.gather(*(ask(name, turn) for name in order))
        if any(is_fatal(reply) for reply in replies):
            return False
    return True


async def _probe_over_limit(interview: Prober) -> None:
    reply = await interview.ask(TOO_LONG, "over the limit", attempts=1)
    if reply.status == "refused" and reply.retryable:
        await _probe_recovery(interview, reply)


async def _probe_recovery(interview: Prober, reply: Reply) -> None:
    """See whether the server lives after a long clip; one that is lost was waited for already."""
    if reply.reason != SERVER_LOST:
        await interview.ask(NOISE, "afterwards", attempts=1)


SPEECH_CAPTION, MUSIC_CAPTION = "speech", "music"

PROBE_CAPTIONS = {
    SPEECH_CAPTION: (
        "A middle-aged woman speaks calmly in English, close to the microphone, in a small quiet "
        "room. A chair creaks once and a clock ticks faintly behind her. She explains how bread "
        "is baked, with short pauses and a friendly tone.\n\n"
        "In summary, this is a clear recording of a woman who teaches a recipe at home."
    ),
    MUSIC_CAPTION: (
        "A fast rock band plays on a stage: distorted electric guitars, a driving bass and loud "
        "drums. A crowd cheers and claps along in a wide hall with long reverberation. There is "
        "no singing, and the tempo does not change.\n\n"
        "In summary, this is an energetic live concert of instrumental rock music."
    ),
}

SAME_TAGS_SIMILARITY = 0.9
"""From this likeness on two lists of tags are one; those of a fit tagger share hardly a word."""

TAGGER_CAUSES = (
    "it is a base model: it goes on writing where an instructed one answers",
    "the server has no chat template for the model, or a wrong one",
    "the server ignores or refuses the response format: set response_format",
    "the instruction of the recipe asks for something else than a list of tags",
)


def check_tagger(
    backend: Backend,
    folder: Path,
    *,
    readable: Callable[[str], bool],
    pause_s: float = 1.0,
    sleep: Sleep = asyncio.sleep,
) -> dict[str, int]:
    """Have a caption of speech and one of music tagged, judge the answers, close the backend.

    `readable` says whether a raw answer can be read as tags. Files and counts are as of
    `check_captioner`.

    Raises:
        StageError: an answer was refused or cannot be read, or both are the same.
    """
    prompts = {
        name: Prompt(id=f"canary {name}", text=text) for name, text in PROBE_CAPTIONS.items()
    }
    interview = Prober(backend, prompts, pause_s=pause_s, sleep=sleep)
    folder.mkdir(parents=True, exist_ok=True)
    return run_canary(
        backend,
        interview,
        _probe_tagger,
        lambda replies: judge_tagger(replies, readable),
        "tagger",
        folder,
    )


def judge_tagger(replies: Sequence[Reply], readable: Callable[[str], bool]) -> list[Finding]:
    """Return what a tagger's replies show."""
    for reply in replies:
        if reply.status == "refused":
            return [
                _tagger_finding(
                    "refused", reply, f"{reply.reason} {quote(reply.detail)}", "no answer"
                )
            ]
        if not readable(reply.text):
            return [_tagger_finding("unreadable", reply, quote(reply.text), "no list of tags")]
    words = [content_words(reply.text) for reply in answered_replies(replies, "alone")]
    if len(words) == 2 and similarity(*words) >= SAME_TAGS_SIMILARITY:
        came_back = " and ".join(quote(reply.text) for reply in replies)
        return [_tagger_finding("text ignored", replies[-1], came_back, "the same tags for both")]
    return []


def _tagger_finding(name: str, reply: Reply, came_back: str, what: str) -> Finding:
    return Finding(
        name=name,
        stop=True,
        asked=f"to tag a caption of {reply.name}",
        answered=came_back,
        meaning=f"An ordinary caption got {what}.",
        causes=TAGGER_CAUSES,
    )


async def _probe_tagger(interview: Prober) -> None:
    for name in PROBE_CAPTIONS:
        await interview.ask(name, "alone")
