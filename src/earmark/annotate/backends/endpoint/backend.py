"""The `Backend` contract over HTTP: prompts are made into requests while others are under way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING

from earmark.annotate.backends.base import NOTHING_DISCOVERED, Backend, Completion, Prompt, Refusal
from earmark.annotate.backends.endpoint.balancer import Clock
from earmark.annotate.backends.endpoint.client import HttpClient
from earmark.annotate.backends.endpoint.request import (
    FORMAT_PROBE,
    ResponseFormat,
    audio_body,
    detect_response_format,
    response_format_of,
    text_body,
)
from earmark.annotate.backends.endpoint.retry import RetryingClient
from earmark.audio import AudioError

if TYPE_CHECKING:
    from earmark.annotate.backends.endpoint.config import ApiKey, EndpointConfig

MIN_PREFETCH = 4


class EndpointBackend(Backend):
    """Asks a model behind servers.

    `concurrency` is half as many prompts again as the servers take: the others are read, encoded
    or waiting for their next turn. `response_format` is how answers to texts are held to a schema,
    None until the first text finds out.

    Args:
        config: checked settings.
        key: for the servers, None for none.
        clock: the time.
        chance: draws pauses; never anything that reaches a server.
    """

    needs_canary = True

    def __init__(
        self,
        config: EndpointConfig,
        key: ApiKey | None,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        most = config.concurrency * len(config.urls)
        self.fingerprint = config.fingerprint
        self.concurrency = most + max(most // 2, MIN_PREFETCH)
        self.response_format: ResponseFormat | None = (
            None if config.response_format == "auto" else config.response_format
        )
        self.discovered: Mapping[str, str] = NOTHING_DISCOVERED
        self._config = config
        self._client = HttpClient(key, config.timeout_s)
        self._exchange = RetryingClient(
            config, self._client, clock or Clock(), chance or random.Random()
        )
        self._finding = asyncio.Lock()

    async def generate(self, prompt: Prompt) -> Completion | Refusal:
        """Answer one prompt; servers that are busy or down are waited for.

        Raises:
            ConfigError: the servers want something mended: the key, the model's name, the URL.
            StageError: none of them answered anything for the time that the settings allow.
        """
        if prompt.text is not None:
            return await self._tag(prompt, prompt.text)
        try:
            body = await asyncio.to_thread(audio_body, prompt, self._config)
        except AudioError as error:
            # A file that cannot be read may be back tomorrow; one that cannot be decoded will not.
            transient = error.reason == "unreadable"
            return Refusal(reason=error.reason, detail=str(error), transient=transient)
        return await self._exchange.ask(body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._exchange.servers.aclose()
        await self._client.aclose()

    async def _tag(self, prompt: Prompt, text: str) -> Completion | Refusal:
        longest = self._config.max_text_characters
        if len(text) > longest:
            detail = f"{len(text)} characters, and max_text_characters is {longest}"
            return Refusal(reason="too long", detail=detail)
        return await self._put(prompt, self.response_format or await self._find_response_format())

    async def _put(self, prompt: Prompt, name: ResponseFormat) -> Completion | Refusal:
        form = response_format_of(name)
        return await self._exchange.ask(text_body(prompt, self._config, form))

    async def _find_response_format(self) -> ResponseFormat:
        async with self._finding:
            if self.response_format is None:
                self.response_format = await detect_response_format(
                    lambda name: self._put(FORMAT_PROBE, name)
                )
                self.discovered = {"response_format": self.response_format}
            return self.response_format
