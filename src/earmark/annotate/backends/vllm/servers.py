"""The servers of one backend: how each is started, supervised and ended.

A supervisor waits until its server is healthy, starts it again when it ends, and gives up after too
many failures.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from earmark.annotate.backends.vllm.process import ServerProcess, log_tail
from earmark.annotate.backends.vllm.resources import assign_gpus, reserve_port, visible_gpus
from earmark.config import ConfigError
from earmark.workspace import StageError

if TYPE_CHECKING:
    from earmark.annotate.backends.vllm.config import VllmConfig

_GENERATION_FLAG = "--generation-config"


class ServerLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """How to start one server, and where it will be.

    Args:
        command: program and arguments.
        environment: variables on top of this process's own.
        url: base URL of its API.
        log: the file for its output.
    """

    command: list[str]
    environment: dict[str, str]
    url: str
    log: Path

    @property
    def health_url(self) -> str:
        """Where it says whether it is well."""
        return self.url.removesuffix("/v1") + "/health"


def plan_launch(config: VllmConfig, gpus: Sequence[str], port: int, folder: Path) -> ServerLaunch:
    """Return how to start a server on these GPUs and this port."""
    command = [*config.command, config.model, "--host=127.0.0.1", f"--port={port}"]
    if config.revision:
        command.append(f"--revision={config.revision}")
    if config.gpus_per_server:
        command.append(f"--tensor-parallel-size={config.gpus_per_server}")
    if not any(flag.partition("=")[0] == _GENERATION_FLAG for flag in config.flags):
        # Else the model's own generation_config.json fills in what a request leaves out, and the
        # recipe would not say how answers are sampled.
        command.append(f"{_GENERATION_FLAG}=vllm")
    return ServerLaunch(
        command=[*command, *config.flags],
        environment={"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if gpus else {},
        url=f"http://127.0.0.1:{port}/v1",
        log=folder / f"vllm-{port}.log",
    )


def check_command(command: Sequence[str]) -> None:
    """Refuse a command that is not there.

    Raises:
        ConfigError: it cannot be found or run.
    """
    if shutil.which(command[0]) is None:
        raise ConfigError(
            f"the vllm backend runs `{' '.join(command)}`, and there is no command {command[0]!r} "
            "here: pip install vllm, or set command to where it is installed "
            '(command = ["/path/to/venv/bin/vllm", "serve"])'
        )


_log = logging.getLogger("earmark.vllm")


class SupervisorTiming(msgspec.Struct, frozen=True, kw_only=True):
    """How often to look, and how long to bear with a server; all in seconds.

    Args:
        look_s: between two looks at whether the process lives.
        ask_s: between two questions for its health, once it has been well.
        first_pause_s: before a server is started again; it doubles with each failure in a row.
        longest_pause_s: the bound of that.
        steady_s: a server that was well for so long has not failed in a row.
        bear_s: a server that lives but is not well for so long is started again. vLLM keeps
            listening for a while after its engine has died.
        grace_s: from asking a server to end to killing it.
    """

    look_s: float = 0.5
    ask_s: float = 5.0
    first_pause_s: float = 2.0
    longest_pause_s: float = 60.0
    steady_s: float = 60.0
    bear_s: float = 120.0
    grace_s: float = 20.0

    def pause_s(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row."""
        return min(self.longest_pause_s, self.first_pause_s * 2.0 ** (failures - 1))


class _HealthRecord:
    """When a process was started, and when it was first and last seen well; monotonic seconds."""

    def __init__(self, now: float) -> None:
        self.started_s = self.last_well_s = now
        self.first_well_s: float | None = None

    @property
    def well_s(self) -> float:
        return 0.0 if self.first_well_s is None else self.last_well_s - self.first_well_s

    def note_well(self, now: float) -> None:
        if self.first_well_s is None:
            self.first_well_s = now
        self.last_well_s = now


class Supervisor:
    """Looks after one server.

    Args:
        launch: how to start it.
        start_timeout_s: the longest from start to health.
        restarts: how often in a row to start it again.
        pace: how often to look.
        is_well: asks a health URL.
    """

    def __init__(
        self,
        launch: ServerLaunch,
        start_timeout_s: float,
        restarts: int,
        pace: SupervisorTiming,
        is_well: Callable[[str], Awaitable[bool]],
    ) -> None:
        self.launch = launch
        self.well = asyncio.Event()
        self.process: ServerProcess | None = None
        self._start_timeout_s = start_timeout_s
        self._restarts = restarts
        self._pace = pace
        self._is_well = is_well

    async def run(self) -> None:
        """Keep the server up until cancelled; then it is ended.

        Raises:
            StageError: it does not get well in time, or ends again and again.
        """
        failures = 0
        while True:
            well_s, how = await self._once()
            failures = 0 if well_s >= self._pace.steady_s else failures + 1
            if failures > self._restarts:
                raise self._error(f"{how}, {failures} time(s) in a row")
            pause_s = self._pace.pause_s(max(failures, 1))
            _log.warning("%s: %s; it is started again in %g s", self.launch.url, how, pause_s)
            await asyncio.sleep(pause_s)

    async def _once(self) -> tuple[float, str]:
        """Run the server once; return for how long it was well, and how it ended."""
        launch = self.launch
        try:
            process = ServerProcess(
                launch.command, launch.environment, launch.log, self._pace.grace_s
            )
        except OSError as error:
            raise StageError(f"vllm: a server cannot be started: {error}") from None
        self.process = process
        try:
            return await self._watch(process)
        finally:
            self.well.clear()
            process.end()
            await _finish_despite_cancel(asyncio.to_thread(process.kill))

    async def _watch(self, process: ServerProcess) -> tuple[float, str]:
        """Return when the process has ended, or has not been well for too long."""
        life = _HealthRecord(time.monotonic())
        asked_s = float("-inf")
        while (code := process.exit_code()) is None:
            now = time.monotonic()
            if not self.well.is_set() or now - asked_s >= self._pace.ask_s:
                asked_s = now
                # Whoever answers on the port is this server only while this server lives.
                if await self._is_well(self.launch.health_url) and process.exit_code() is None:
                    life.note_well(now)
                    self.well.set()
                elif (fault := self._fault(life, now)) is not None:
                    return life.well_s, fault
            await asyncio.sleep(self._pace.look_s)
        return life.well_s, f"it ended with exit code {code}"

    def _fault(self, life: _HealthRecord, now: float) -> str | None:
        """Return why a server that is not well cannot be borne with any longer, None if it can."""
        if life.first_well_s is None:
            if now - life.started_s >= self._start_timeout_s:
                raise self._error(f"it was not healthy within {self._start_timeout_s:g} s")
            return None
        if now - life.last_well_s >= self._pace.bear_s:
            return f"it has not been healthy for {self._pace.bear_s:g} s"
        return None

    def _error(self, how: str) -> StageError:
        return StageError(
            f"vllm: the server for {self.launch.url} failed: {how}.\n"
            f"Command: {' '.join(self.launch.command)}\n"
            f"The end of its log ({self.launch.log}):\n{log_tail(self.launch.log)}"
        )


async def _finish_despite_cancel(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work that is not cut short by being cancelled; that is passed on after it."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


_HEALTH_TIMEOUT_S = 5.0


class ServerGroup:
    """The servers that a config asks for. It belongs to the loop that starts it.

    `failure` is a future that never has a result: its exception is that of the first supervisor
    to give up.
    """

    def __init__(self, config: VllmConfig, pace: SupervisorTiming) -> None:
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._config = config
        self._pace = pace
        self._ports = ExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_HEALTH_TIMEOUT_S)
        )
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

    def _plan(self) -> list[ServerLaunch]:
        config = self._config
        check_command(config.command)
        groups = assign_gpus(visible_gpus(), config.gpus_per_server, config.servers)
        folder = _make_log_folder(config.log_folder)
        _log.info("starting %d server(s) of %s, logs in %s", len(groups), config.model, folder)
        launches: list[ServerLaunch] = []
        port = config.first_port
        for gpus in groups:
            taken = reserve_port(port)
            self._ports.callback(taken.close)
            launches.append(plan_launch(config, gpus, taken.number, folder))
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


def _make_log_folder(named: str) -> Path:
    if not named:
        return Path(tempfile.mkdtemp(prefix="earmark-vllm-"))
    folder = Path(named)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"vllm: log_folder cannot be made: {error}") from None
    return folder
