"""Settings of a model behind servers. Imports nothing heavy, for every verb reads recipes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from earmark.annotate.backends.chat import ChatConfig
from earmark.config import (
    ConfigError,
    NonNegativeFloat,
    Package,
    PositiveFloat,
    PositiveInt,
    check_packages,
    fingerprint,
)

if TYPE_CHECKING:
    from earmark.annotate.backends.endpoint.backend import EndpointBackend

REQUEST_VERSION = 1
"""Of how requests are made from prompts: raise it with every change that can alter an answer."""

RESERVED_FIELDS = frozenset({"messages", "model", "n", "response_format", "seed", "stream"})
"""Fields of a request that `extra` cannot set: earmark sets them, or could not read the answer."""

SETTING_FIELDS = frozenset({"max_tokens", "temperature", "top_k", "top_p"})
"""Fields of a request that have a setting of their own."""

SampleRate = Annotated[int, Meta(ge=8000, le=192_000)]


class RequestConfig(ChatConfig, frozen=True, kw_only=True):
    """How prompts are put to servers, whoever started them.

    Args:
        audio: how a clip travels: "input_audio" as OpenAI defines it, "audio_url" as a data URI,
            "file_url" as a file:// address where the servers see the same disk (windows of a
            longer file go as a data URI even then).
        audio_format: "original" sends a file's own bytes where the whole of a wav, flac, mp3 or
            ogg file is the clip, and FLAC for the rest; "flac" and "wav" decode everything. What
            is decoded is sent mono, 16 bits, at `sample_rate`.
        sample_rate: of decoded audio, Hz.
        response_format: how a tagger's answer is held to a schema; "auto" asks the server what it
            can.
        concurrency: the most requests in flight at one server.
        timeout_s: the longest that one request may take, seconds.
        patience_s: how long to wait for servers that are down or busy before giving up, seconds;
            long enough for one to be started again.
        extra: further fields of the request, such as repetition_penalty.
        price_per_million_tokens_in: of prompts, for estimates, in any currency.
        price_per_million_tokens_out: of answers.
        price_per_hour: of all servers together.
    """

    renamed: ClassVar[Mapping[str, str]] = MappingProxyType({"dialect": "response_format"})

    audio: Literal["input_audio", "audio_url", "file_url"] = "input_audio"
    audio_format: Literal["original", "flac", "wav"] = "original"
    sample_rate: SampleRate = 16_000
    response_format: Literal["auto", "json_schema", "json_object", "none"] = "auto"
    concurrency: PositiveInt = 64
    timeout_s: PositiveFloat = 300.0
    patience_s: PositiveFloat = 1800.0
    extra: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    price_per_million_tokens_in: NonNegativeFloat = 0.0
    price_per_million_tokens_out: NonNegativeFloat = 0.0
    price_per_hour: NonNegativeFloat = 0.0

    @property
    def packages(self) -> tuple[Package, ...]:
        """A client of HTTP."""
        return (Package("aiohttp", "endpoint"),)

    def check(self) -> None:
        """Refuse an `extra` that sets what it must not. Raises ConfigError."""
        if taken := sorted(RESERVED_FIELDS & self.extra.keys()):
            raise ConfigError(f"extra cannot set {taken[0]!r}, which earmark sets itself")
        if named := sorted(SETTING_FIELDS & self.extra.keys()):
            raise ConfigError(f"extra cannot set {named[0]!r}: set {named[0]} itself")


class EndpointConfig(RequestConfig, frozen=True, kw_only=True, tag="endpoint", tag_field="kind"):
    """A chat model behind one or more servers that speak OpenAI's chat completions.

    Args:
        urls: base URLs of servers that all serve the same model, each ending in /v1.
        api_key_variable: name of the environment variable that holds the key, None for no key.
    """

    urls: tuple[str, ...]
    api_key_variable: str | None = None

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits over all that can change an answer; not where or how fast it is had."""
        chat = {name: getattr(self, name) for name in ChatConfig.__struct_fields__}
        sent = (self.audio, self.audio_format, self.sample_rate, self.response_format, self.extra)
        return fingerprint("endpoint", REQUEST_VERSION, chat, sent)

    def check(self) -> None:
        """Refuse what cannot be right before it is written down anywhere.

        Raises:
            ConfigError: there is no URL, or one that is no base URL or holds a secret; a key where
                the name of its variable belongs; or `extra` sets what it must not.
        """
        super().check()
        if not self.urls:
            raise ConfigError('urls is empty; give ["http://HOST:8000/v1"]')
        for url in self.urls:
            _check_url(url)
        if len(set(self.urls)) < len(self.urls):
            raise ConfigError("urls names one server twice")
        _check_key_variable(self.api_key_variable)

    def build(self) -> EndpointBackend:
        """Return the backend; nothing is connected yet.

        Raises:
            ConfigError: the key's variable is not set, or aiohttp is not installed.
        """
        key = _read_api_key(self.api_key_variable)
        check_packages(self)
        from earmark.annotate.backends.endpoint.backend import EndpointBackend

        return EndpointBackend(self, key)


class ApiKey:
    """An API key that shows itself only where it is asked to."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Key(hidden)"

    def reveal(self) -> str:
        """Return the key's text, for the one header that it belongs in."""
        return self._text


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"urls: {url} is not a URL: {error}") from None
    if parts.username or parts.password or parts.query:
        raise ConfigError(
            "urls: one holds a user, a password or a query. Keys come from the "
            "environment alone: set api_key_variable to the name of a variable that holds one."
        )
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"urls: {url!r} should look like http://HOST:8000/v1")
    if not parts.path.endswith("/v1"):
        base = url.partition("/v1/")[0].rstrip("/")
        raise ConfigError(f"urls: {url} should end in /v1. Did you mean {base}/v1?")


def _check_key_variable(variable: str | None) -> None:
    if variable is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", variable):
        # It may be the key itself, put here by mistake: it is not repeated.
        raise ConfigError(
            "api_key_variable is the name of an environment variable, in capitals "
            '("OPENAI_API_KEY"), never the key itself'
        )


def _read_api_key(variable: str | None) -> ApiKey | None:
    if variable is None:
        return None
    text = os.environ.get(variable, "").strip()
    if not text:
        raise ConfigError(
            f"endpoint: the environment variable {variable} is not set. "
            f"Set it (export {variable}=...), or leave api_key_variable out for servers without."
        )
    if not text.isprintable() or not text.isascii():
        raise ConfigError(f"endpoint: {variable} holds characters that no HTTP header can carry")
    return ApiKey(text)
