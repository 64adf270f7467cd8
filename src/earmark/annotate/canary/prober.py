"""Send probes to a backend, and record the replies that people read in answers.jsonl.

A `Finding` is what the replies show: a reason to stop the job, or a warning.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from earmark.annotate.backends.base import Backend, Completion, Prompt, Refusal
from earmark.records import Row
from earmark.workspace import StageError

ProbeMode = Literal["alone", "together", "over the limit", "afterwards"]


class Reply(Row, frozen=True, kw_only=True):
    """One probe and its outcome.

    `name` is of the sound or text. `way` says how it was asked: alone, together with all others,
    as the one over the limit, or after a long one that failed. `turn` counts from 0 how often it
    was asked about in that way.
    `status` is "ok" or "refused", `attempts` counts the requests, `seconds` is their time.
    """

    name: str
    way: ProbeMode
    turn: int
    draw: int
    status: Literal["ok", "refused"]
    reason: str = ""
    detail: str = ""
    retryable: bool = False
    text: str = ""
    finish_reason: str = ""
    attempts: int = 1
    seconds: float = 0.0


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What the replies show.

    `stop` says that the job must not start; otherwise it is a warning. `asked` and `answered`
    tell what was seen, `meaning` what follows from it, `causes` what usually lies behind it.
    """

    name: str
    stop: bool
    asked: str
    answered: str
    meaning: str
    causes: tuple[str, ...] = ()


def answered_replies(replies: Iterable[Reply], *ways: ProbeMode) -> Iterator[Reply]:
    """Yield the replies that hold an answer, of these ways of asking."""
    return (reply for reply in replies if reply.status == "ok" and reply.way in ways)


def texts_by_name(replies: Iterable[Reply]) -> Mapping[str, Sequence[str]]:
    """Return the texts of the replies by what they were about, in the order of asking."""
    texts: dict[str, list[str]] = {}
    for reply in replies:
        texts.setdefault(reply.name, []).append(reply.text)
    return texts


def quote(text: str, longest: int = 160) -> str:
    """Return a text in quotation marks on one line, cut to `longest` characters."""
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= longest else f'"{line[:longest].rstrip()}..."'


MAX_ATTEMPTS = 3
"""A server may fail now and then and be fit for the job: the executor asks again as well."""

SERVER_LOST = "server lost"
"""Reason where the backend gave up waiting for its server."""

Sleep = Callable[[float], Awaitable[None]]


class Prober:
    """Asks a backend and keeps its replies in `replies`, in the order they came.

    Args:
        backend: what is tried.
        prompts: by name.
        pause_s: before a probe is put again that was refused for a transient reason, seconds; it
            doubles each time.
        sleep: how to wait.
    """

    def __init__(
        self, backend: Backend, prompts: Mapping[str, Prompt], *, pause_s: float, sleep: Sleep
    ) -> None:
        self.replies: list[Reply] = []
        self.concurrency = backend.concurrency
        self._backend = backend
        self._prompts = prompts
        self._pause_s = pause_s
        self._sleep = sleep

    async def ask(
        self,
        name: str,
        way: ProbeMode,
        turn: int = 0,
        *,
        draw: int = 0,
        attempts: int = MAX_ATTEMPTS,
    ) -> Reply:
        """Ask about one prompt, up to `attempts` times while the refusal is transient."""
        prompt = replace(self._prompts[name], draw=draw)
        started_s = time.monotonic()
        attempt, outcome = 1, await self._generate(prompt)
        while attempt < attempts and _is_transient(outcome):
            await self._sleep(self._pause_s * 2 ** (attempt - 1))
            attempt, outcome = attempt + 1, await self._generate(prompt)
        reply = _with_outcome(
            Reply(
                name=name,
                way=way,
                turn=turn,
                draw=draw,
                status="ok",
                attempts=attempt,
                seconds=round(time.monotonic() - started_s, 3),
            ),
            outcome,
        )
        self.replies.append(reply)
        return reply

    async def _generate(self, prompt: Prompt) -> Completion | Refusal:
        """Ask once; it is a reply too that the server went away and did not come back."""
        try:
            return await self._backend.generate(prompt)
        except StageError as error:
            return Refusal(reason=SERVER_LOST, detail=str(error), retryable=True)


def _is_transient(outcome: Completion | Refusal) -> bool:
    return isinstance(outcome, Refusal) and outcome.retryable and outcome.reason != SERVER_LOST


def _with_outcome(reply: Reply, outcome: Completion | Refusal) -> Reply:
    if isinstance(outcome, Completion):
        return replace(reply, text=outcome.text, finish_reason=outcome.finish_reason)
    return replace(
        reply,
        status="refused",
        reason=outcome.reason,
        detail=outcome.detail,
        retryable=outcome.retryable,
    )
