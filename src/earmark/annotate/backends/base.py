"""The contract of whatever answers a prompt: a captioner or a tagger, local or behind a server."""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What a backend is asked. It never holds a clip's labels.

    A captioner gets `audio` (a path; `duration_s` of it), a tagger gets `text`.
    """

    id: str
    audio: str | None = None
    duration_s: float | None = None
    text: str | None = None


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A raw answer. `tokens_in` and `tokens_out` are 0 where a backend does not count."""

    text: str
    finish_reason: str = "stop"
    tokens_in: int = 0
    tokens_out: int = 0


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """No answer. `reason` is a short fixed word for counting, `detail` is for people."""

    reason: str
    detail: str = ""
    retryable: bool = False


class Backend(ABC):
    """Answers prompts. Failure is a value: only a bug or a broken set-up raises.

    `fingerprint` covers all that can change an answer: model, revision, prompt, decoding, engine.
    `concurrency` is how many prompts it wants in flight.
    """

    fingerprint: str
    concurrency: int

    @abstractmethod
    async def generate(self, prompt: Prompt) -> Completion | Refusal:
        """Answer one prompt."""

    @abstractmethod
    def close(self) -> None:
        """Let go of processes and connections; the backend is not used afterwards."""
