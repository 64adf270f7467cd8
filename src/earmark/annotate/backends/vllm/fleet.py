"""All servers of one backend: ports, logs and supervisors."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from contextlib import ExitStack
from pathlib import Path

import aiohttp

from earmark.annotate.backends.vllm.config import VllmConfig
from earmark.annotate.backends.vllm.gpus import groups_of, visible_gpus
from earmark.annotate.backends.vllm.launch import Launch, check_command, plan
from earmark.annotate.backends.vllm.resources import take_port
from earmark.annotate.backends.vllm.servers import Pace, Supervisor
from earmark.config import ConfigError

_ANSWER_S = 5.0
_log = logging.getLogger("earmark.vllm")


class Fleet:
    """The servers that a config asks for. It belongs to the loop that starts it.

    `failure` is a future that never has a result: its exception is that of the first supervisor
    to give up.
    """

    def __init__(self, config: VllmConfig, pace: Pace) -> None:
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._config = config
        self._pace = pace
        self._ports = ExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_S))
        self.supervisors: list[Supervisor] = []

    async def start(self) -> tuple[str, ...]:
        """Start the servers and wait until all are well; return their URLs.

        Raises:
            ConfigError: no such command, too few GPUs, no free port, or no folder for logs.
            StageError: a server does not get well.
        """
        for launch in self._plan():
            supervisor = Supervisor(
                launch,
                self._config.start_timeout_s,
                self._config.restarts,
                self._pace,
                self._is_well,
            )
            self.supervisors.append(supervisor)
            task = asyncio.create_task(supervisor.run())
            task.add_done_callback(self._note_end)
            self._tasks.append(task)
        await self._until_well()
        _log.info("all servers are well")
        return tuple(supervisor.launch.url for supervisor in self.supervisors)

    async def aclose(self) -> None:
        """End all servers; their logs stay."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()
        self._ports.close()
        if self.failure.done():
            self.failure.exception()  # asyncio complains of errors that nobody has looked at

    def _plan(self) -> list[Launch]:
        config = self._config
        check_command(config.command)
        groups = groups_of(visible_gpus(), config.gpus_per_server, config.servers)
        folder = _make_folder(config.log_folder)
        _log.info("starting %d server(s) of %s, logs in %s", len(groups), config.model, folder)
        launches: list[Launch] = []
        port = config.first_port
        for gpus in groups:
            taken = take_port(port)
            self._ports.callback(taken.close)
            launches.append(plan(config, gpus, taken.number, folder))
            port = taken.number + 1
        return launches

    async def _until_well(self) -> None:
        well = asyncio.create_task(self._all_well())
        try:
            await asyncio.wait({well, self.failure}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            well.cancel()
        if self.failure.done():
            self.failure.result()

    async def _all_well(self) -> None:
        for supervisor in self.supervisors:
            await supervisor.well.wait()

    async def _is_well(self, url: str) -> bool:
        try:
            async with self._session.get(url) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _note_end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.failure.done():
            self.failure.set_exception(error)


def _make_folder(named: str) -> Path:
    if not named:
        return Path(tempfile.mkdtemp(prefix="earmark-vllm-"))
    folder = Path(named)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"vllm: log_folder cannot be made: {error}") from None
    return folder
