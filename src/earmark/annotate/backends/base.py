"""The contract of whatever answers a prompt: a captioner or a tagger, local or behind a server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType

import msgspec


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What a backend is asked. It never holds a clip's labels.

    A captioner gets `audio`, a path: `duration_s` seconds of it from `start_s` on. A tagger gets
    `text`. `draw` is 0, or 1 where the first answer was turned down: a backend that samples then
    takes another seed.
    """

    id: str
    audio: str | None = None
    start_s: float = 0.0
    duration_s: float | None = None
    text: str | None = None
    draw: int = 0


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A raw answer. `finish_reason` is "length" where it was cut off.

    `tokens_in` and `tokens_out` are 0 where a backend does not count.
    """

    text: str
    finish_reason: str = "stop"
    tokens_in: int = 0
    tokens_out: int = 0


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """No answer. `reason` is a short fixed word for counting, `detail` is for people.

    `retryable` says that the same prompt may be answered if it is put again at once. `transient`
    says that it may be answered later, once the disk is back or the server was mended.
    """

    reason: str
    detail: str = ""
    retryable: bool = False
    transient: bool = False


NOTHING_DISCOVERED: Mapping[str, str] = MappingProxyType({})
"""`discovered`, where there is nothing to discover."""


class Backend(ABC):
    """Answers prompts. Failure is a value: only a bug or a broken set-up raises.

    Nothing is started or connected before the first `generate`. What a backend can only wait for
    (a busy or restarting server) it waits for inside `generate`, up to its own limit, and then
    raises StageError: a prompt is refused for what is wrong with itself.

    `fingerprint` covers all that can change an answer: model, revision, prompt, decoding, engine.
    `concurrency` is how many prompts it wants in flight. `needs_canary` says that its answers
    are to be tried on known sounds before they are trusted: it is a model that nobody here built.
    `discovered` is what it finds out at work and answers by, such as the form in which a server
    takes a schema; it is written down beside the answers.
    """

    fingerprint: str
    concurrency: int
    needs_canary: bool
    discovered: Mapping[str, str]

    @abstractmethod
    async def generate(self, prompt: Prompt) -> Completion | Refusal:
        """Answer one prompt."""

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of processes and connections, in the loop that used them; it ends here."""
