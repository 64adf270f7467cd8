"""The mock server over HTTP: routes, statuses and headers, and the command that serves it."""

from __future__ import annotations

import asyncio
import hmac
import os
import signal
import sys
import threading
from collections.abc import Callable

import msgspec
from aiohttp import web

from earmark.config import ConfigError
from earmark.testing.mock_server.chat_request import BadRequestError, decode_request
from earmark.testing.mock_server.config import MockConfig, parse_arguments
from earmark.testing.mock_server.engine import (
    Engine,
    HtmlPageError,
    RequestCounter,
    StatusError,
    encode_completion,
)

_CONNECTION_CUT = 444  # of a response that reaches nobody: its connection is gone

_MAX_BODY_BYTES = 256 * 2**20

_PAGE = "<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"


class MockServer:
    """The handlers of one mock server.

    Raises:
        ConfigError: `require_key` names an environment variable that is not set.
    """

    def __init__(self, config: MockConfig) -> None:
        self._config = config
        self._counts = RequestCounter()
        self._engine = Engine(config, self._counts)
        self._number = 0
        self._key = os.environ.get(config.require_key, "")
        if config.require_key and not self._key:
            raise ConfigError(
                f"require_key: the environment variable {config.require_key} is not set. "
                f"Set it: export {config.require_key}=..."
            )

    def app(self) -> web.Application:
        """Return the application to serve."""
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        app.router.add_get("/stats", self._stats)
        return app

    async def _chat(self, request: web.Request) -> web.Response:
        self._counts.came()
        status = "left"
        try:
            response = await self._answered(request)
            status = "reset" if response.status == _CONNECTION_CUT else str(response.status)
            return response
        finally:
            self._counts.ended(status)

    async def _answered(self, request: web.Request) -> web.Response:
        try:
            self._check_key(request)
            asked = decode_request(await request.read())
            question, answer = await self._engine.answer(asked)
        except BadRequestError as error:
            return _error(StatusError(400, str(error)))
        except HtmlPageError:
            return web.Response(text=_PAGE, content_type="text/html")
        except StatusError as failure:
            return self._failed(request, failure)
        self._counts.completed(question.key)
        self._number += 1
        body = encode_completion(self._number, asked.model or self._config.model, question, answer)
        return web.Response(body=body, content_type="application/json")

    async def _models(self, request: web.Request) -> web.Response:
        model = {"id": self._config.model, "object": "model", "created": 0, "owned_by": "earmark"}
        return self._unless_ill(request, lambda: _json({"object": "list", "data": [model]}))

    async def _health(self, request: web.Request) -> web.Response:
        return self._unless_ill(request, lambda: web.Response(text=""))

    async def _stats(self, request: web.Request) -> web.Response:
        """Answer at any time: counts are an instrument, no part of what is imitated."""
        return _json(self._counts.stats(self._engine.being_served))

    def _unless_ill(self, request: web.Request, well: Callable[[], web.Response]) -> web.Response:
        try:
            if request.path.startswith("/v1/"):
                self._check_key(request)
            self._engine.check_health()
        except StatusError as failure:
            return self._failed(request, failure)
        return well()

    def _check_key(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        if self._key and not hmac.compare_digest(given, f"Bearer {self._key}"):
            raise StatusError(401, "no valid API key was given")

    def _failed(self, request: web.Request, failure: StatusError) -> web.Response:
        if failure.status:
            return _error(failure)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=_CONNECTION_CUT)


def _error(failure: StatusError) -> web.Response:
    kinds = {400: "BadRequestError", 401: "AuthenticationError", 429: "RateLimitError"}
    kind = kinds.get(failure.status, "InternalServerError")
    error = {"message": failure.message, "type": kind, "param": None, "code": failure.status}
    response = _json({"error": error}, failure.status)
    if failure.retry_after_s:
        response.headers["Retry-After"] = f"{failure.retry_after_s:g}"
    return response


def _json(value: object, status: int = 200) -> web.Response:
    body = msgspec.json.encode(value)
    return web.Response(body=body, status=status, content_type="application/json")


async def serve(config: MockConfig, ready: Callable[[int], None], stop: asyncio.Event) -> None:
    """Serve on 127.0.0.1 until `stop` is set; call `ready` with the port once it listens.

    Raises:
        OSError: the port is taken.
        ConfigError: see `MockServer`.
    """
    # A client that leaves frees its slot, as it does in the servers imitated.
    runner = web.AppRunner(
        MockServer(config).app(), access_log=None, handler_cancellation=True, shutdown_timeout=0
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", config.port)
        await site.start()
        ready(runner.addresses[0][1])
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> int:
    """Serve, and return the process's exit code: 0, or 2 for settings that cannot be served."""
    try:
        asyncio.run(_serve_until_signal(parse_arguments(sys.argv[1:])))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cannot listen: {error}. Take another port; --port 0 finds one.", file=sys.stderr)
        return 2
    return 0


async def _serve_until_signal(config: MockConfig) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if config.until_stdin_closes:
        watcher = threading.Thread(target=_watch_stdin, args=(loop, stop), daemon=True)
        watcher.start()
    await serve(config, lambda port: print(f"http://127.0.0.1:{port}/v1", flush=True), stop)


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    # Not sys.stdin: a daemon thread that holds its lock aborts the interpreter at its end.
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(stop.set)
