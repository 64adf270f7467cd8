"""Try a tagger on two known captions before the job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from earmark.annotate.backends.base import Backend, Prompt
from earmark.annotate.canary.likeness import content_words, likeness
from earmark.annotate.canary.prober import Interview, Sleep
from earmark.annotate.canary.replies import Finding, Reply, answered, quote
from earmark.annotate.canary.session import hold

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
        backend, interview, _talk, lambda replies: judge_tags(replies, readable), "tagger", folder
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


async def _talk(interview: Interview) -> None:
    for name in CAPTIONS:
        await interview.ask(name, "alone")
