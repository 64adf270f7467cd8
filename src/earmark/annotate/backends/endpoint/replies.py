"""What a reply means: an answer, the prompt's failure, the server's, or the user's mistake."""

from __future__ import annotations

import msgspec

from earmark.annotate.backends.base import Completion, Refusal
from earmark.annotate.backends.endpoint.client import Fault, Reply
from earmark.annotate.backends.endpoint.pauses import retry_after_s

DETAIL_CHARACTERS = 300


class Busy(msgspec.Struct, frozen=True):
    """The server has too much to do: ask it later."""

    detail: str
    retry_after_s: float | None


class Down(msgspec.Struct, frozen=True):
    """The server is gone or starting. `lost` says that the request had reached it."""

    detail: str
    retry_after_s: float | None = None
    lost: bool = False


class Failed(msgspec.Struct, frozen=True):
    """Something went wrong, and it is open whether with the prompt or with the server."""

    reason: str
    detail: str


class Mistake(msgspec.Struct, frozen=True):
    """The user has to mend something: the key, the model's name, the URL."""

    status: int
    detail: str


Outcome = Completion | Refusal | Busy | Down | Failed | Mistake


class _Message(msgspec.Struct, frozen=True):
    content: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chat(msgspec.Struct, frozen=True):
    choices: list[_Choice]
    usage: _Usage | None = None


_CHAT = msgspec.json.Decoder(_Chat)


def judge(reply: Reply | Fault, now: float) -> Outcome:
    """Return what a reply means; `now` is seconds since 1970, for dates in Retry-After."""
    if isinstance(reply, Fault):
        if reply.kind == "timeout":
            return Failed("timeout", reply.detail)
        return Down(reply.detail, lost=reply.kind == "lost")
    if reply.status == 200:
        return _completion(reply)
    detail = f"{reply.status}: {excerpt(reply.body)}"
    match reply.status:
        case 429 | 529:
            return Busy(detail, retry_after_s(reply.retry_after, now))
        case 503:
            return Down(detail, retry_after_s(reply.retry_after, now))
        case 408 | 504:
            return Failed("timeout", detail)
        case 401 | 402 | 403 | 404 | 405:
            return Mistake(reply.status, detail)
        case status if 300 <= status < 400:
            return Mistake(status, f"{status}: it moved to {reply.location or 'another place'}")
        case status if 400 <= status < 500:
            return Mistake(status, detail) if _unknown_model(reply.body) else refused(detail)
        case _:
            return Failed("server error", detail)


def refused(detail: str) -> Refusal:
    """Return the refusal of a request that the server, as it runs now, will not take."""
    return Refusal(reason="refused by server", detail=detail, passing=True)


def excerpt(body: bytes) -> str:
    """Return the first 300 characters of a body as one line."""
    text = body[: 8 * DETAIL_CHARACTERS].decode("utf-8", "replace")
    return " ".join(text.split())[:DETAIL_CHARACTERS] or "(no text)"


def _completion(reply: Reply) -> Completion | Failed:
    try:
        chat = _CHAT.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Failed("bad answer", f"200, but no chat completion: {excerpt(reply.body)}")
    if not chat.choices:
        return Failed("bad answer", f"200, but no choices: {excerpt(reply.body)}")
    choice, usage = chat.choices[0], chat.usage or _Usage()
    return Completion(
        text=choice.message.content or "",
        finish_reason=choice.finish_reason or "stop",
        tokens_in=usage.prompt_tokens or 0,
        tokens_out=usage.completion_tokens or 0,
    )


def _unknown_model(body: bytes) -> bool:
    """Return whether an error is about the model's name, as OpenAI's code for it says."""
    return b"model_not_found" in body
