"""A chat server that answers what a test wrote down, and a clock that a test can watch."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from earmark.annotate.backends.base import Completion, Prompt, Refusal
from earmark.annotate.backends.endpoint.backend import EndpointBackend
from earmark.annotate.backends.endpoint.balancer import Clock
from earmark.annotate.backends.endpoint.config import ApiKey, EndpointConfig

TAGS = '["rain", "roof", "dog", "car", "wind"]'


@dataclass(frozen=True)
class Say:
    """An answer: its status, body and headers. `drop` cuts the connection instead."""

    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    after: asyncio.Event | None = None


DROP = Say(drop=True)
Choose = Callable[[dict[str, Any]], Say]


def said(text: str = TAGS, finish_reason: str = "stop") -> Say:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 11, "completion_tokens": 7}
    return Say(body=json.dumps({"choices": [choice], "usage": usage}))


class ScriptedServer:
    """Answers chat requests with the next line of a script; a callable line looks at the body.

    After the script everything is answered. `models` is the script of looks at /v1/models.
    """

    def __init__(self, script: Iterable[Say | Choose] = (), models: Iterable[Say] = ()) -> None:
        self.script = list(script)
        self.models = list(models)
        self.otherwise: Say | Choose = said()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.looks = 0
        self.in_flight = self.most_in_flight = 0
        self.url = ""

    async def chat(self, request: web.Request) -> web.Response:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            self.bodies.append(json.loads(await request.read()))
            self.headers.append(dict(request.headers))
            line = self.script.pop(0) if self.script else self.otherwise
            return await self._say(request, line(self.bodies[-1]) if callable(line) else line)
        finally:
            self.in_flight -= 1

    async def list_models(self, request: web.Request) -> web.Response:
        self.looks += 1
        ours = Say(body='{"data": [{"id": "captioner"}, {"id": "tagger"}]}')
        return await self._say(request, self.models.pop(0) if self.models else ours)

    async def _say(self, request: web.Request, line: Say) -> web.Response:
        if line.after is not None:
            await line.after.wait()
        if line.drop and request.transport is not None:
            request.transport.abort()
        return web.Response(status=line.status, text=line.body, headers=line.headers)


@asynccontextmanager
async def serving(server: ScriptedServer, port: int = 0) -> AsyncIterator[ScriptedServer]:
    app = web.Application(client_max_size=2**28)
    app.router.add_post("/v1/chat/completions", server.chat)
    app.router.add_get("/v1/models", server.list_models)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield server
    finally:
        await runner.cleanup()


class RealClock:
    """The clock that everybody has."""

    def clock(self) -> Clock:
        return Clock()


class WatchedClock:
    """A clock on which sleeping takes no time, and every sleep is written down."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        return Clock(monotonic=lambda: self.now_s, wall=lambda: self.now_s, sleep=self.sleep)


def config_for(*servers: ScriptedServer, **settings: Any) -> EndpointConfig:
    given: dict[str, Any] = {
        "model": "tagger",
        "response_format": "none",
        "timeout_s": 5.0,
    } | settings
    return EndpointConfig(urls=tuple(server.url for server in servers), **given)


@asynccontextmanager
async def asking(
    config: EndpointConfig,
    watched: WatchedClock | RealClock | None = None,
    key: ApiKey | None = None,
) -> AsyncIterator[EndpointBackend]:
    clock = (watched or WatchedClock()).clock()
    backend = EndpointBackend(config, key, clock, random.Random(0))
    try:
        yield backend
    finally:
        await backend.aclose()


def text(number: int = 0, words: str = "Rain on a roof.") -> Prompt:
    return Prompt(id=str(number), text=words)


def run(
    test: Callable[..., Awaitable[Any]],
    script: Iterable[Say | Choose] = (),
    models: Iterable[Say] = (),
    watched: WatchedClock | RealClock | None = None,
    key: ApiKey | None = None,
    **settings: Any,
) -> Any:
    """Run `await test(backend, server)` against one scripted server."""

    async def main() -> Any:
        async with (
            serving(ScriptedServer(script, models)) as server,
            asking(config_for(server, **settings), watched, key) as backend,
        ):
            return await test(backend, server)

    return asyncio.run(main())


def ask_once(
    script: Iterable[Say | Choose], **settings: Any
) -> tuple[Completion | Refusal, ScriptedServer]:
    """Put one text to a server that follows a script."""

    async def test(
        backend: EndpointBackend, server: ScriptedServer
    ) -> tuple[Completion | Refusal, ScriptedServer]:
        return await backend.generate(text()), server

    return run(test, script, **settings)
