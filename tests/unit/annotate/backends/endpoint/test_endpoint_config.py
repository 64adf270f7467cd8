"""Settings: what is refused before anything is sent, what a fingerprint covers, and the key."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import warnings
from typing import Any

import msgspec
import pytest
from scripted_server import (
    Say,
    ScriptedServer,
    WatchedClock,
    asking,
    config_for,
    run,
    serving,
    text,
)

from earmark.annotate.backends.base import Completion, Refusal
from earmark.annotate.backends.endpoint import EndpointConfig
from earmark.annotate.backends.endpoint.backend import EndpointBackend
from earmark.config import ConfigError, decode_config

SECRET = "sk-very-secret-0123456789"
URL = "http://127.0.0.1:9/v1"


def config(**settings: Any) -> EndpointConfig:
    return EndpointConfig(**{"urls": (URL,), "model": "m", **settings})


def test_read_from_a_recipe():
    table = {
        "kind": "endpoint",
        "model": "m",
        "urls": [URL, "https://there/v1"],
        "extra": {"repetition_penalty": 1.05, "chat_template_kwargs": {"thinking": False}},
        "api_key_variable": "SOME_KEY",
        "price_per_hour": 2,
    }
    read = decode_config(table, EndpointConfig)
    assert read.urls == (URL, "https://there/v1")
    assert read.extra["chat_template_kwargs"] == {"thinking": False}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"urls": ()}, "urls is empty"),
        ({"urls": (URL, URL)}, "twice"),
        ({"urls": ("http://here:8000",)}, "Did you mean http://here:8000/v1"),
        ({"urls": ("http://here/v1/chat/completions",)}, "Did you mean http://here/v1"),
        ({"urls": ("here:8000/v1",)}, "should look like"),
        ({"urls": ("http://here:port/v1",)}, "not a URL"),
        ({"urls": (f"http://me:{SECRET}@here/v1",)}, "api_key_variable"),
        ({"urls": (f"http://here/v1?key={SECRET}",)}, "api_key_variable"),
        ({"extra": {"stream": True}}, "'stream'"),
        ({"extra": {"temperature": 1.0}}, "set temperature itself"),
        ({"api_key_variable": "EARMARK_NO_SUCH_KEY"}, "EARMARK_NO_SUCH_KEY is not set"),
        ({"api_key_variable": SECRET}, "never the key itself"),
        ({"api_key_variable": "hf_0123456789"}, "never the key itself"),
    ],
)
def test_mistakes_are_told_and_no_secret_is_repeated(settings: dict[str, Any], words: str):
    with pytest.raises(ConfigError) as caught:
        config(**settings).build()
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "hf_0123456789" not in str(caught.value)


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(ConfigError, match=r"pip install 'earmark\[endpoint\]'"):
        config().build()


CHANGES: list[dict[str, Any]] = [
    {"model": "n"},
    {"revision": "2"},
    {"instruction": "Describe."},
    {"system": "You listen."},
    {"temperature": 0.0},
    {"top_k": 5},
    {"max_tokens": 10},
    {"seed": 1},
    {"audio": "audio_url"},
    {"audio_format": "wav"},
    {"sample_rate": 8000},
    {"response_format": "none"},
    {"extra": {"repetition_penalty": 1.1}},
]


def test_every_setting_that_changes_an_answer_changes_the_fingerprint():
    found = [config(**change).build().fingerprint for change in ({}, *CHANGES)]
    assert len(set(found)) == len(found)


def test_where_and_how_fast_does_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_KEY", SECRET)
    same = config(
        urls=("http://there/v1", "http://elsewhere/v1"),
        concurrency=3,
        timeout_s=1.0,
        patience_s=1.0,
        api_key_variable="SOME_KEY",
        price_per_million_tokens_in=1.0,
        price_per_million_tokens_out=1.0,
        price_per_hour=1.0,
    )
    assert same.build().fingerprint == config().build().fingerprint


def test_more_prompts_are_wanted_than_are_in_flight():
    assert config(concurrency=64).build().concurrency == 96
    assert config(concurrency=1).build().concurrency == 5
    assert config(concurrency=1).build().needs_canary


def test_the_key_is_sent_and_shown_nowhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("SOME_KEY", SECRET)
    caplog.set_level(logging.DEBUG)
    echo = [Say(status, f"wrong key {SECRET}") for status in (400, 503, 500, 200)]

    async def main() -> list[str]:
        async with serving(ScriptedServer(echo)) as server:
            settings = config_for(server, api_key_variable="SOME_KEY")
            backend = settings.build()
            try:
                answers = [await backend.generate(text(i)) for i in range(2)]
                sent = {head["Authorization"] for head in server.headers}
                assert sent == {f"Bearer {SECRET}"}
                parts = [*vars(backend).values(), *vars(backend._client).values()]
                seen = [*answers, backend, settings, msgspec.json.encode(settings), *parts]
                return [repr(thing) for thing in seen]
            finally:
                await backend.aclose()

    shown = asyncio.run(main())
    assert "[key]" in shown[0]
    assert SECRET not in "".join(shown) + caplog.text


def test_a_key_in_an_error_about_the_key_is_struck_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_KEY", SECRET)

    async def main() -> None:
        async with serving(ScriptedServer([Say(401, f"incorrect key: {SECRET}")])) as server:
            backend = config_for(server, api_key_variable="SOME_KEY").build()
            try:
                with pytest.raises(ConfigError, match=r"\$SOME_KEY") as caught:
                    await backend.generate(text())
                assert SECRET not in str(caught.value)
            finally:
                await backend.aclose()

    asyncio.run(main())


def test_nothing_is_left_open():
    """Neither a session, nor a task that looks after a dead server."""

    async def main() -> None:
        dead = ScriptedServer(models=[Say(503)] * 100_000)
        settings = {"patience_s": 1e12}
        async with serving(dead) as server, asking(config_for(server, **settings)) as backend:
            assert isinstance(await backend.generate(text()), Completion)
            server.otherwise = Say(503)
            waiting = asyncio.create_task(backend.generate(text(1)))
            while not server.looks:
                await asyncio.sleep(0.001)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        assert dead.looks < 1000
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main())
        gc.collect()


def test_a_backend_that_was_never_asked_closes():
    asyncio.run(config().build().aclose())


def test_large_bodies_travel_in_pieces():
    """aiohttp warns of bytes beyond one MiB, and warnings are errors here."""
    words = "x" * (3 * 2**20)

    async def test(backend: EndpointBackend, server: ScriptedServer) -> object:
        answer = await backend.generate(text(words=words))
        assert words in server.bodies[0]["messages"][0]["content"]
        return answer

    answer = run(test, max_text_characters=2**23, watched=WatchedClock())
    assert not isinstance(answer, Refusal)
