"""One HTTP client for all requests, and what each reply means.

Network errors are returned as values. A reply is an answer, a failure of the prompt, a failure of
the server, or a mistake of the user; for the last, the error says what to fix and what the server
offers.
"""

from __future__ import annotations

import io
import math
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal

import aiohttp
import msgspec

from earmark.annotate.backends.base import Completion, Refusal
from earmark.config import ConfigError, suggest

if TYPE_CHECKING:
    from earmark.annotate.backends.endpoint.config import ApiKey, EndpointConfig

CONNECT_TIMEOUT_S = 30.0
"""The longest wait for a connection, seconds."""

KEEP_ALIVE_S = 4.0
"""Idle connections are closed before servers do it (uvicorn: after 5 s), seconds."""

HEALTH_TIMEOUT_S = 10.0
"""The longest wait for a server to say how it is, seconds."""

PROBE_TIMEOUT_S = 60.0
"""The longest wait for one word from a model, whose server may be full, seconds."""

_MAX_DIRECT_BYTES = 2**20


class Reply(msgspec.Struct, frozen=True):
    """What a server answered, whatever its status."""

    status: int
    body: bytes
    retry_after: str | None = None
    location: str = ""


class TransportFault(msgspec.Struct, frozen=True):
    """Why there is no reply: no connection, a connection lost on the way, or out of time."""

    kind: Literal["unreachable", "lost", "timeout"]
    detail: str


class HttpClient:
    """Sends requests over connections that are kept open, as many as are needed.

    The session starts with the first request, in the loop that runs then, and ends in `aclose`.
    The key goes into one header; a server that repeats it has it struck out.

    Args:
        key: sent as a bearer token; None for none.
        timeout_s: the longest that a request may take, seconds.
    """

    def __init__(self, key: ApiKey | None, timeout_s: float) -> None:
        self._key = key
        self._timeout = aiohttp.ClientTimeout(
            total=timeout_s, sock_connect=min(CONNECT_TIMEOUT_S, timeout_s)
        )
        self._greeting_timeout = aiohttp.ClientTimeout(total=min(PROBE_TIMEOUT_S, timeout_s))
        self._health_timeout = aiohttp.ClientTimeout(total=min(HEALTH_TIMEOUT_S, timeout_s))
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self, url: str, body: bytes, *, greeting: bool = False
    ) -> Reply | TransportFault:
        """Send a JSON body; a greeting is waited for at most a minute."""
        # aiohttp writes large bytes at one go, which would hold up the loop, and warns of it.
        data = body if len(body) <= _MAX_DIRECT_BYTES else io.BytesIO(body)
        timeout = self._greeting_timeout if greeting else self._timeout
        return await self._request("POST", url, data, timeout)

    async def get(self, url: str) -> Reply | TransportFault:
        """Ask for something that a healthy server answers at once."""
        return await self._request("GET", url, None, self._health_timeout)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _request(
        self, method: str, url: str, data: bytes | io.BytesIO | None, timeout: aiohttp.ClientTimeout
    ) -> Reply | TransportFault:
        session = self._session or self._start()
        try:
            # Redirects are not followed: a POST would turn into a GET.
            async with session.request(
                method, url, data=data, timeout=timeout, allow_redirects=False
            ) as answer:
                body = await answer.read()
                headers = answer.headers
                return Reply(
                    answer.status,
                    self._without_key(body),
                    headers.get("Retry-After"),
                    headers.get("Location", ""),
                )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return TransportFault("unreachable", f"{url}: {error}")
        except TimeoutError:
            return TransportFault("timeout", f"{url}: no answer within {timeout.total:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return TransportFault("lost", f"{url}: {error or type(error).__name__}")

    def _start(self) -> aiohttp.ClientSession:
        headers = {"Content-Type": "application/json", "User-Agent": "earmark"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.reveal()}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
        )
        return self._session

    def _without_key(self, body: bytes) -> bytes:
        key = self._key
        return body if key is None else body.replace(key.reveal().encode(), b"[key]")


EXCERPT_CHARACTERS = 300


class ServerBusy(msgspec.Struct, frozen=True):
    """The server has too much to do: ask it later."""

    detail: str
    retry_after_s: float | None


class ServerDown(msgspec.Struct, frozen=True):
    """The server is gone or starting. `lost` says that the request had reached it."""

    detail: str
    retry_after_s: float | None = None
    lost: bool = False


class RequestFailed(msgspec.Struct, frozen=True):
    """Something went wrong, and it is open whether with the prompt or with the server."""

    reason: str
    detail: str


class UserMistake(msgspec.Struct, frozen=True):
    """The user has to mend something: the key, the model's name, the URL."""

    status: int
    detail: str


RequestOutcome = Completion | Refusal | ServerBusy | ServerDown | RequestFailed | UserMistake


class _Message(msgspec.Struct, frozen=True):
    content: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _ChatCompletion(msgspec.Struct, frozen=True):
    choices: list[_Choice]
    usage: _Usage | None = None


_CHAT_DECODER = msgspec.json.Decoder(_ChatCompletion)


def interpret_reply(reply: Reply | TransportFault, now: float) -> RequestOutcome:
    """Return what a reply means; `now` is seconds since 1970, for dates in Retry-After."""
    if isinstance(reply, TransportFault):
        if reply.kind == "timeout":
            return RequestFailed("timeout", reply.detail)
        return ServerDown(reply.detail, lost=reply.kind == "lost")
    if reply.status == 200:
        return _parse_completion(reply)
    detail = f"{reply.status}: {body_excerpt(reply.body)}"
    match reply.status:
        case 429 | 529:
            return ServerBusy(detail, parse_retry_after_s(reply.retry_after, now))
        case 503:
            return ServerDown(detail, parse_retry_after_s(reply.retry_after, now))
        case 408 | 504:
            return RequestFailed("timeout", detail)
        case 401 | 402 | 403 | 404 | 405:
            return UserMistake(reply.status, detail)
        case status if 300 <= status < 400:
            return UserMistake(status, f"{status}: it moved to {reply.location or 'another place'}")
        case status if 400 <= status < 500:
            return (
                UserMistake(status, detail)
                if _is_unknown_model(reply.body)
                else server_refusal(detail)
            )
        case _:
            return RequestFailed("server error", detail)


def server_refusal(detail: str) -> Refusal:
    """Return the refusal of a request that the server, as it runs now, will not take."""
    return Refusal(reason="refused by server", detail=detail, transient=True)


def body_excerpt(body: bytes) -> str:
    """Return the first 300 characters of a body as one line."""
    text = body[: 8 * EXCERPT_CHARACTERS].decode("utf-8", "replace")
    return " ".join(text.split())[:EXCERPT_CHARACTERS] or "(no text)"


def _parse_completion(reply: Reply) -> Completion | RequestFailed:
    try:
        chat = _CHAT_DECODER.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return RequestFailed(
            "bad answer", f"200, but no chat completion: {body_excerpt(reply.body)}"
        )
    if not chat.choices:
        return RequestFailed("bad answer", f"200, but no choices: {body_excerpt(reply.body)}")
    choice, usage = chat.choices[0], chat.usage or _Usage()
    return Completion(
        text=choice.message.content or "",
        finish_reason=choice.finish_reason or "stop",
        tokens_in=usage.prompt_tokens or 0,
        tokens_out=usage.completion_tokens or 0,
    )


def _is_unknown_model(body: bytes) -> bool:
    """Return whether an error is about the model's name, as OpenAI's code for it says."""
    return b"model_not_found" in body


class _ServedModel(msgspec.Struct, frozen=True):
    id: str


class _ModelList(msgspec.Struct, frozen=True):
    data: list[_ServedModel]


async def explain_mistake(
    mistake: UserMistake, url: str, config: EndpointConfig, client: HttpClient
) -> ConfigError | Refusal:
    """Return what tells the user what to do, or a refusal if it is the prompt's fault after all."""
    match mistake.status:
        case 401 | 403:
            return ConfigError(f"{url} answered {mistake.detail}. {_key_advice(config)}")
        case 400 | 404 | 422:
            return await _explain_model(mistake, url, config, client)
        case 402:
            return ConfigError(f"{url} wants to be paid first: {mistake.detail}")
        case _:
            return ConfigError(
                f"{url} answered {mistake.detail}. The base URL in urls is probably wrong: "
                f"requests go to {url}/chat/completions."
            )


def _key_advice(config: EndpointConfig) -> str:
    if config.api_key_variable is None:
        return (
            "It wants a key: put it into an environment variable and name that in the recipe, "
            'api_key_variable = "OPENAI_API_KEY".'
        )
    return f"Is the key in ${config.api_key_variable} the right one for it, and still valid?"


async def _explain_model(
    mistake: UserMistake, url: str, config: EndpointConfig, client: HttpClient
) -> ConfigError | Refusal:
    models = await _fetch_served_models(url, client)
    if models is None:
        return ConfigError(
            f"{url} answered {mistake.detail}, and lists no models at {url}/models. "
            f"Is the base URL right, and model = {config.model!r} served there?"
        )
    if config.model not in models:
        return ConfigError(
            f"{url} does not serve model = {config.model!r}.{suggest(config.model, models)}"
        )
    return server_refusal(mistake.detail)


async def _fetch_served_models(url: str, client: HttpClient) -> list[str] | None:
    reply = await client.get(f"{url}/models")
    if not isinstance(reply, Reply) or reply.status != 200:
        return None
    try:
        return [model.id for model in msgspec.json.decode(reply.body, type=_ModelList).data]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def parse_retry_after_s(header: str | None, now: float) -> float | None:
    """Return how long a Retry-After header asks to wait, None where it says nothing.

    It holds seconds or an HTTP date (RFC 9110, section 10.2.3); `now` is seconds since 1970.
    """
    text = (header or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
