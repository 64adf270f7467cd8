from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from earmark.annotate.backends.base import Completion, Prompt
from earmark.annotate.backends.vllm.backend import VllmBackend
from earmark.config import ConfigError
from earmark.workspace import StageError


def prompt(number: int) -> Prompt:
    return Prompt(id=str(number), text=f"Rain number {number} falls on a roof while dogs bark.")


def read(starts: Path) -> list[dict]:
    return [json.loads(line) for line in starts.read_text().splitlines()]


def test_two_servers_get_a_gpu_each_and_nothing_is_left_of_them(config, pace, starts, is_gone):
    async def play() -> None:
        backend = VllmBackend(config(servers=0, revision="v1", flags=("--x=1",)), pace)
        assert not starts.exists()
        answers = await asyncio.gather(*(backend.generate(prompt(n)) for n in range(8)))
        assert all(isinstance(a, Completion) and "rain" in a.text for a in answers)
        servers = read(starts)
        assert not any(is_gone(server["pid"]) for server in servers)
        await backend.aclose()
        assert all(is_gone(server["pid"]) and is_gone(server["worker"]) for server in servers)

    asyncio.run(play())
    servers = read(starts)
    assert {server["gpus"] for server in servers} == {"3", "5"}
    for server in servers:
        verb, model, host, port, *others = server["arguments"]
        assert (verb, model, host) == ("serve", "tagger", "--host=127.0.0.1")
        assert port.startswith("--port=")
        assert others == [
            "--revision=v1",
            "--tensor-parallel-size=1",
            "--generation-config=vllm",
            "--x=1",
        ]
    assert servers[0]["arguments"][3] != servers[1]["arguments"][3]


def test_a_killed_server_is_started_again_and_every_prompt_is_answered(
    config, pace, starts, is_gone
):
    async def play() -> list:
        backend = VllmBackend(config(), pace)
        try:
            await backend.generate(prompt(0))
            (server,) = read(starts)
            asked = [asyncio.create_task(backend.generate(prompt(n))) for n in range(1, 30)]
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            os.kill(server["pid"], signal.SIGKILL)
            answers = await asyncio.gather(*asked)
            assert is_gone(server["worker"])
            return answers
        finally:
            await backend.aclose()

    answers = asyncio.run(play())
    assert [type(answer) for answer in answers] == [Completion] * 29
    first, second = read(starts)
    assert first["pid"] != second["pid"]
    assert first["arguments"] == second["arguments"]


def test_a_server_that_ends_again_and_again_is_given_up_with_the_end_of_its_log(
    config, pace, starts
):
    async def play() -> None:
        backend = VllmBackend(config(flags=("--broken",), restarts=2), pace)
        try:
            await asyncio.gather(*(backend.generate(prompt(n)) for n in range(3)))
        finally:
            await backend.aclose()

    with pytest.raises(StageError, match=r"exit code 1, 3 time(?s:.*)no such kernel"):
        asyncio.run(play())
    assert len(read(starts)) == 3


def test_a_server_that_never_gets_healthy_is_ended(config, pace, starts, is_gone):
    async def play() -> None:
        backend = VllmBackend(config(flags=("--deaf",), start_timeout_s=0.5), pace)
        try:
            await backend.generate(prompt(0))
        finally:
            await backend.aclose()

    with pytest.raises(StageError, match=r"healthy within 0.5 s(?s:.*)loading the weights"):
        asyncio.run(play())
    (server,) = read(starts)
    assert is_gone(server["pid"])
    assert is_gone(server["worker"])


def test_servers_that_fail_for_good_stop_the_prompts_under_way(config, pace, starts):
    async def play() -> None:
        backend = VllmBackend(config(restarts=0), pace)
        try:
            await backend.generate(prompt(0))
            (server,) = read(starts)
            asked = [asyncio.create_task(backend.generate(prompt(n))) for n in range(1, 200)]
            os.kill(server["pid"], signal.SIGKILL)
            await asyncio.gather(*asked)
        finally:
            await backend.aclose()

    with pytest.raises(StageError, match="exit code 137"):
        asyncio.run(play())


def test_what_is_given_up_during_the_start_leaves_nothing(config, pace, starts, is_gone):
    async def play() -> None:
        backend = VllmBackend(config(flags=("--deaf",)), pace)
        asked = asyncio.create_task(backend.generate(prompt(0)))
        while not starts.exists() or not starts.read_text().endswith("\n"):
            await asyncio.sleep(0.01)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await backend.aclose()

    asyncio.run(play())
    (server,) = read(starts)
    assert is_gone(server["worker"])


def test_a_backend_that_was_asked_nothing_has_nothing_to_end(config, starts):
    asyncio.run(config().build().aclose())
    assert not starts.exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"command": ("no-such-vllm", "serve")}, "pip install vllm"),
        ({"servers": 3}, "visible are: 2"),
        ({"gpus_per_server": 4, "servers": 0}, "need 4 GPUs"),
        ({"log_folder": "/dev/null/logs"}, "log_folder"),
    ],
)
def test_a_start_that_cannot_work_is_the_users_to_mend(config, pace, settings, said: str):
    async def play() -> None:
        backend = VllmBackend(config(**settings), pace)
        try:
            await backend.generate(prompt(0))
        finally:
            await backend.aclose()

    with pytest.raises(ConfigError, match=said):
        asyncio.run(play())
