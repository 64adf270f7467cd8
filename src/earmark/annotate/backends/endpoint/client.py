"""One HTTP client for all requests; what goes wrong on the wire comes back as a value."""

from __future__ import annotations

import io
from typing import Literal

import aiohttp
import msgspec

from earmark.annotate.backends.endpoint.config import Key

CONNECT_S = 30.0
"""The longest wait for a connection, seconds."""

KEEP_ALIVE_S = 4.0
"""Idle connections are closed before servers do it (uvicorn: after 5 s), seconds."""

HEALTH_S = 10.0
"""The longest wait for a server to say how it is, seconds."""

GREETING_S = 60.0
"""The longest wait for one word from a model, whose server may be full, seconds."""

_IN_ONE_PIECE = 2**20


class Reply(msgspec.Struct, frozen=True):
    """What a server answered, whatever its status."""

    status: int
    body: bytes
    retry_after: str | None = None
    location: str = ""


class Fault(msgspec.Struct, frozen=True):
    """Why there is no reply: no connection, a connection lost on the way, or out of time."""

    kind: Literal["unreachable", "lost", "timeout"]
    detail: str


class Client:
    """Sends requests over connections that are kept open, as many as are needed.

    The session starts with the first request, in the loop that runs then, and ends in `aclose`.
    The key goes into one header; a server that repeats it has it struck out.

    Args:
        key: sent as a bearer token; None for none.
        timeout_s: the longest that a request may take, seconds.
    """

    def __init__(self, key: Key | None, timeout_s: float) -> None:
        self._key = key
        self._timeout = aiohttp.ClientTimeout(
            total=timeout_s, sock_connect=min(CONNECT_S, timeout_s)
        )
        self._greeting_timeout = aiohttp.ClientTimeout(total=min(GREETING_S, timeout_s))
        self._health_timeout = aiohttp.ClientTimeout(total=min(HEALTH_S, timeout_s))
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, *, greeting: bool = False) -> Reply | Fault:
        """Send a JSON body; a greeting is waited for at most a minute."""
        # aiohttp writes large bytes at one go, which would hold up the loop, and warns of it.
        data = body if len(body) <= _IN_ONE_PIECE else io.BytesIO(body)
        timeout = self._greeting_timeout if greeting else self._timeout
        return await self._request("POST", url, data, timeout)

    async def get(self, url: str) -> Reply | Fault:
        """Ask for something that a healthy server answers at once."""
        return await self._request("GET", url, None, self._health_timeout)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _request(
        self, method: str, url: str, data: bytes | io.BytesIO | None, timeout: aiohttp.ClientTimeout
    ) -> Reply | Fault:
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
            return Fault("unreachable", f"{url}: {error}")
        except TimeoutError:
            return Fault("timeout", f"{url}: no answer within {timeout.total:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Fault("lost", f"{url}: {error or type(error).__name__}")

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
