from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from earmark.annotate.backends.vllm.servers import ServerLaunch, Supervisor, SupervisorTiming
from earmark.workspace import StageError


@pytest.fixture
def launch(tmp_path: Path) -> ServerLaunch:
    return ServerLaunch(
        command=["sleep", "600"],
        environment={},
        url="http://127.0.0.1:1/v1",
        log=tmp_path / "server.log",
    )


async def always(url: str) -> bool:
    assert url == "http://127.0.0.1:1/health"
    return True


async def second_process(supervisor: Supervisor) -> list[int]:
    """Return the ids of the first process and of the one that follows it."""
    pids: list[int] = []
    while len(pids) < 2:
        process = supervisor.process
        if process is not None and process.pid is not None and process.pid not in pids:
            pids.append(process.pid)
        await asyncio.sleep(0.005)
    return pids


def play(supervisor: Supervisor, scene: Callable[[Supervisor], Awaitable[None]]) -> None:
    async def run() -> None:
        task = asyncio.create_task(supervisor.run())
        try:
            await asyncio.wait_for(scene(supervisor), 10)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_a_server_that_lives_but_is_not_well_is_started_again(
    launch: ServerLaunch, pace: SupervisorTiming, is_gone: Callable[[int], bool]
):
    async def once_well(_: str) -> bool:
        return not supervisor.well.is_set()

    async def scene(supervisor: Supervisor) -> None:
        first, second = await second_process(supervisor)
        assert is_gone(first)
        assert not is_gone(second)

    quick = msgspec.structs.replace(pace, bear_s=0.05)
    supervisor = Supervisor(launch, 5, 9, quick, once_well)
    play(supervisor, scene)


def test_a_server_that_was_steady_has_not_failed_in_a_row(
    launch: ServerLaunch, pace: SupervisorTiming
):
    async def scene(supervisor: Supervisor) -> None:
        for _ in range(3):
            await supervisor.well.wait()
            assert supervisor.process is not None
            assert supervisor.process.pid is not None
            os.kill(supervisor.process.pid, signal.SIGKILL)
            while supervisor.well.is_set():
                await asyncio.sleep(0.005)

    steady = msgspec.structs.replace(pace, steady_s=0.0)
    play(Supervisor(launch, 5, 0, steady, always), scene)


def test_one_that_was_not_steady_is_given_up_after_its_restarts(
    launch: ServerLaunch, pace: SupervisorTiming
):
    async def run() -> None:
        await Supervisor(short, 5, 2, pace, always).run()

    short = msgspec.structs.replace(launch, command=["sh", "-c", "echo again"])
    with pytest.raises(StageError, match="exit code 0, 3 time"):
        asyncio.run(run())
    assert launch.log.read_text().count("\nagain") == 3


def test_pauses_double_up_to_a_bound():
    pace = SupervisorTiming(first_pause_s=2, longest_pause_s=60)
    assert [pace.pause_s(failures) for failures in (1, 2, 3, 6, 99)] == [2, 4, 8, 60, 60]


def test_a_log_that_cannot_be_written_is_told(
    launch: ServerLaunch, pace: SupervisorTiming, tmp_path: Path
):
    nowhere = msgspec.structs.replace(launch, log=tmp_path / "none" / "server.log")
    with pytest.raises(StageError, match=r"none/server\.log"):
        asyncio.run(Supervisor(nowhere, 5, 0, pace, always).run())
