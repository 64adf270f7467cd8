"""A mock server in the loop of the test, and a client for it."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
import pytest
import soundfile

from earmark.testing.mock_server.config import MockConfig
from earmark.testing.mock_server.server import serve


def flac(wave: np.ndarray, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format="FLAC")
    return file.getvalue()


class Client:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url

    async def chat(self, content: Any, **settings: Any) -> tuple[int, Any]:
        """Return the status, and the body: JSON, or text where it is something else."""
        body = {"model": "m", "messages": [{"role": "user", "content": content}], **settings}
        async with self.session.post(f"{self.url}/v1/chat/completions", json=body) as response:
            is_json = response.content_type == "application/json"
            return response.status, await (response.json() if is_json else response.text())

    async def text(self, content: Any, **settings: Any) -> str:
        status, body = await self.chat(content, **settings)
        assert status == 200, body
        return body["choices"][0]["message"]["content"]

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.session.get(f"{self.url}{path}") as response:
            return response.status, await response.text()

    async def stats(self) -> dict[str, Any]:
        async with self.session.get(f"{self.url}/stats") as response:
            return await response.json()


@asynccontextmanager
async def running(config: MockConfig) -> AsyncGenerator[Client]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    server = asyncio.create_task(serve(config, port.set_result, stop))
    try:
        async with aiohttp.ClientSession() as session:
            yield Client(session, f"http://127.0.0.1:{await port}")
    finally:
        stop.set()
        await server


Scene = Callable[[Client], Awaitable[None]]


@pytest.fixture
def with_server() -> Callable[..., None]:
    """Run a scene against a server with these settings; it answers at once unless told not to."""

    def run(scene: Scene, **settings: Any) -> None:
        async def play() -> None:
            async with running(MockConfig(**{"latency_s": 0.0, **settings})) as client:
                await scene(client)

        asyncio.run(asyncio.wait_for(play(), 30))

    return run


@pytest.fixture
def sounds() -> dict[str, bytes]:
    """Return encoded audio: silence, noise, a tone, and a long tone."""
    time_s = np.arange(16_000) / 16_000
    tone = 0.3 * np.sin(2 * np.pi * 440 * time_s)
    return {
        "silence": flac(np.zeros(16_000)),
        "noise": flac(np.random.default_rng(0).normal(0, 0.1, 16_000)),
        "tone": flac(tone),
        "long": flac(np.tile(tone, 4)),
    }


@pytest.fixture
def part() -> Callable[[bytes], list[dict[str, Any]]]:
    """Return the content of a message that holds only this audio."""

    def content(data: bytes) -> list[dict[str, Any]]:
        payload = {"data": base64.b64encode(data).decode(), "format": "flac"}
        return [{"type": "input_audio", "input_audio": payload}]

    return content
