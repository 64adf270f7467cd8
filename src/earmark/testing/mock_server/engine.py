"""From a request to an answer: slots, latency and injected faults, and counters of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import msgspec

from earmark.testing.mock_server import answers
from earmark.testing.mock_server.answers import MockAnswer
from earmark.testing.mock_server.chat_request import (
    ChatRequest,
    ResponseFormat,
    UserContent,
    load_audio_bytes,
    read_user_content,
)
from earmark.testing.mock_server.config import MockConfig
from earmark.testing.mock_server.faults import (
    Health,
    InjectedFault,
    draw_fault,
    draw_latency_s,
    seeded_uniform,
)


class ServerStats(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET /stats.

    Args:
        requests: chat requests that came, whatever became of them.
        completed: those answered with a chat completion.
        in_flight: those not yet answered, the queued ones among them.
        max_in_flight: the most there ever were.
        being_served: those that hold a slot.
        by_status: how many ended with each HTTP status; "left" where the client went away, "reset"
            where the server cut the connection.
        requests_by_key: how often each content was read, so not what an outage turned away; a key
            is a hash of the user's content.
        completed_by_key: how often each content was answered with a chat completion.
    """

    requests: int = 0
    completed: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    being_served: int = 0
    by_status: dict[str, int] = {}
    requests_by_key: dict[str, int] = {}
    completed_by_key: dict[str, int] = {}


class RequestCounter:
    """Counters behind `ServerStats`."""

    def __init__(self) -> None:
        self._requests = 0
        self._in_flight = 0
        self._max_in_flight = 0
        self._by_status: Counter[str] = Counter()
        self._requests_by_key: Counter[str] = Counter()
        self._completed_by_key: Counter[str] = Counter()

    def came(self) -> None:
        """Count a chat request that arrives."""
        self._requests += 1
        self._in_flight += 1
        self._max_in_flight = max(self._max_in_flight, self._in_flight)

    def attempt(self, key: str) -> int:
        """Count a request for this content; return how many came before."""
        self._requests_by_key[key] += 1
        return self._requests_by_key[key] - 1

    def completed(self, key: str) -> None:
        """Count a chat completion for this content."""
        self._completed_by_key[key] += 1

    def ended(self, status: str) -> None:
        """Count how a chat request ended."""
        self._in_flight -= 1
        self._by_status[status] += 1

    def stats(self, being_served: int) -> ServerStats:
        """Return the counts so far."""
        return ServerStats(
            requests=self._requests,
            completed=self._completed_by_key.total(),
            in_flight=self._in_flight,
            max_in_flight=self._max_in_flight,
            being_served=being_served,
            by_status=dict(self._by_status),
            requests_by_key=dict(self._requests_by_key),
            completed_by_key=dict(self._completed_by_key),
        )


_FIXED_CAPTION = (
    "A steady sound is heard in a room.\n\nIt stays the same.\n\nIn summary, a steady sound."
)


class StatusError(Exception):
    """Any answer but a chat completion.

    Args:
        status: of HTTP; 0 to cut the connection without a word.
        message: for people.
        retry_after_s: what the client is asked to wait, seconds; 0 for nothing said.
    """

    def __init__(self, status: int, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after_s = status, message, retry_after_s


class HtmlPageError(Exception):
    """Status 200 and an HTML page, as a proxy sends it that hides what went wrong."""


class Engine:
    """Answers chat requests, at most `slots` at once."""

    def __init__(self, config: MockConfig, counts: RequestCounter) -> None:
        self._config = config
        self._counts = counts
        self._health = Health(config)
        self._slots = asyncio.Semaphore(config.slots)
        self._served: dict[int, MockAnswer] = {}
        self._captions = answers.canned_captions()
        self.being_served = 0

    async def answer(self, request: ChatRequest) -> tuple[UserContent, MockAnswer]:
        """Answer one request; time passes.

        Raises:
            StatusError, HtmlPageError: what was asked to go wrong.
            BadRequestError: what the client did wrong.
        """
        self._health.chat_came(time.monotonic())
        self.check_health()
        question = read_user_content(request, whole=self._config.listen)
        attempt = self._counts.attempt(question.key)
        fault = draw_fault(self._config, question.key, attempt)
        if fault is InjectedFault.BUSY:
            raise StatusError(429, "too many requests", self._config.retry_after_s)
        if fault is InjectedFault.TIMEOUT:
            await asyncio.sleep(self._config.hang_s or 86_400)
            raise StatusError(504, "it took too long")
        async with self._slots:
            self.being_served += 1
            try:
                return question, await self._serve(request, question, fault, attempt)
            finally:
                self.being_served -= 1

    def check_health(self) -> None:
        """Raise StatusError during an outage, or while the engine is sick."""
        now = time.monotonic()
        if self._health.is_out(now):
            raise StatusError(503 if self._config.outage_kind == "503" else 0, "the server is down")
        if self._health.is_sick(now):
            raise StatusError(500, "the engine has died and is being restarted")

    async def _serve(
        self, request: ChatRequest, question: UserContent, fault: InjectedFault | None, attempt: int
    ) -> MockAnswer:
        await asyncio.sleep(draw_latency_s(self._config, question.key, attempt))
        self.check_health()
        if fault is InjectedFault.ERROR:
            raise StatusError(500, "internal server error")
        if fault is InjectedFault.HTML:
            raise HtmlPageError
        self._check_format(request.response_format)
        self._check_poison(question)
        return answers.truncate_answer(await self._mixed(request, question), request.max_tokens)

    async def _mixed(self, request: ChatRequest, question: UserContent) -> MockAnswer:
        """Answer, or give the answer to another request that is being served, and take its own."""
        answer = await self._right(request, question)
        if not self._config.mix_up:
            return answer
        mine = id(question)
        self._served[mine] = answer
        await asyncio.sleep(self._config.latency_s / 2)
        if others := [other for other in self._served if other != mine]:
            self._served[mine], self._served[others[0]] = (
                self._served[others[0]],
                self._served[mine],
            )
        return self._served.pop(mine)

    async def _right(self, request: ChatRequest, question: UserContent) -> MockAnswer:
        if question.audio is None:
            return self._tag(request.response_format, question)
        caption = await self._caption(question.audio, question.key)
        if (
            seeded_uniform(self._config.seed, "lint", question.key, request.seed)
            < self._config.lint_share
        ):
            return answers.faulty_caption(caption, question.key)
        return MockAnswer(caption)

    async def _caption(self, audio: str, key: str) -> str:
        if not self._config.listen:
            place = int(seeded_uniform("caption", key) * len(self._captions))
            return _FIXED_CAPTION if self._config.ignore_audio else self._captions[place]
        # soundfile and numpy take as long to import as all the rest of the server.
        from earmark.testing.mock_server.captions import describe_audio, measure_audio

        heard = await asyncio.to_thread(lambda: measure_audio(load_audio_bytes(audio)))
        self._health.record_audio(heard.duration_s, time.monotonic())
        self.check_health()
        return _FIXED_CAPTION if self._config.ignore_audio else describe_audio(heard)

    def _tag(self, form: ResponseFormat | None, question: UserContent) -> MockAnswer:
        tags = answers.extract_tags(question.text, question.key)
        drawn = seeded_uniform(self._config.seed, "untidy?", question.key)
        if form is None and drawn < self._config.untidy_share:
            return answers.untidy_answer(tags, question.key)
        return MockAnswer(answers.format_tags(tags, form))

    def _check_format(self, form: ResponseFormat | None) -> None:
        if form is not None and form.type not in ("text", *self._config.response_formats):
            message = f"response_format type {form.type!r} is not supported"
            raise StatusError(self._config.unsupported_status, message)

    def _check_poison(self, question: UserContent) -> None:
        url = question.audio if (question.audio or "").startswith("file://") else ""
        if self._config.poison and self._config.poison in f"{question.text}\n{url}":
            raise StatusError(500, "internal server error")


def token_usage(question: UserContent, answer: MockAnswer) -> dict[str, int]:
    """Return the token counts of a completion, as the API names them."""
    tokens_in = answers.count_tokens(question.text) + len(question.audio or "") // 1000
    tokens_out = answers.count_tokens(answer.text)
    return {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
    }


def encode_completion(number: int, model: str, question: UserContent, answer: MockAnswer) -> bytes:
    """Return the body of a chat completion."""
    message = {"role": "assistant", "content": answer.text}
    choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason}
    return msgspec.json.encode(
        {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "choices": [choice],
            "usage": token_usage(question, answer),
        }
    )
