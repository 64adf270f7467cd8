"""Which server gets the next request: the least loaded of those that are there."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from earmark.annotate.backends.base import Completion, Refusal
from earmark.annotate.backends.endpoint.limit import AdaptiveLimit
from earmark.annotate.backends.endpoint.pauses import Clock, full_jitter
from earmark.annotate.backends.endpoint.replies import Busy, Down, Failed, Outcome
from earmark.workspace import StageError

FIRST_PROBE_S = 0.5
LONGEST_PROBE_S = 3.0
"""Bounds of the pause between two looks at a server that is down, seconds."""

TOLD_AT = 2
"""Failures in a row from which on the log tells that a server is down."""

_log = logging.getLogger("earmark.endpoint")


class Server:
    """One server: what it is given, and how it has been doing."""

    def __init__(self, url: str, concurrency: int) -> None:
        self.url = url
        self.limit = AdaptiveLimit(concurrency)
        self.in_flight = 0
        self.answered = 0
        self.rests = 0
        self.failures = 0
        self.away = False
        self.checking = asyncio.Lock()


class Lease(msgspec.Struct, frozen=True, eq=False):
    """Leave to send one request to `server`, and what was known of it when that was given."""

    server: Server
    answered: int
    rests: int


class Servers:
    """Hands out leases, waits for servers that are away, and gives up when none comes back.

    A server rests after a lost or refused connection or a 503, until a look at it succeeds; it
    pauses where it asks to with a 429. Requests meanwhile go to the others, or wait.

    Args:
        urls: base URLs.
        concurrency: the most requests in flight at each.
        patience_s: how long to go without an answer from any server once trouble has begun.
        look: asks a server how it is: None for well, else what is wrong.
        clock: the time.
        chance: draws the pauses.
    """

    def __init__(
        self,
        urls: Sequence[str],
        concurrency: int,
        patience_s: float,
        look: Callable[[str], Awaitable[str | None]],
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self.all = [Server(url, concurrency) for url in urls]
        self._patience_s = patience_s
        self._look = look
        self._clock = clock
        self._chance = chance
        self._waiting: deque[asyncio.Future[Lease]] = deque()
        self._absences: set[asyncio.Task[None]] = set()
        self._trouble_since_s: float | None = None
        self._given_up: BaseException | None = None

    async def acquire(self) -> Lease:
        """Wait for leave to send a request; it must be handed back with `release`.

        Raises:
            StageError: no server has answered anything for `patience_s`.
        """
        if self._given_up is not None:
            raise self._given_up
        if not self._waiting and (server := self._freest()) is not None:
            return _lease(server)
        turn: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release(turn.result(), None)
            raise

    def release(self, lease: Lease, outcome: Outcome | None) -> None:
        """Hand a lease back and learn from what came of it, None for a request not finished."""
        server = lease.server
        server.in_flight -= 1
        match outcome:
            case Completion():
                self.note_answer(server)
                server.limit.answered()
            case Refusal():
                server.limit.answered()
            case Busy():
                server.limit.turned_away()
                self._note_trouble(server, outcome.detail)
                if outcome.retry_after_s and server.limit.exhausted and not server.away:
                    self._send_away(
                        server, lambda asked_s=outcome.retry_after_s: self._pause(asked_s)
                    )
            case Failed(reason="timeout"):
                server.limit.turned_away()
            case Down():
                self.rest(lease, outcome.detail, outcome.retry_after_s or 0.0)
            case _:
                pass
        self._hand_out()

    def note_answer(self, server: Server) -> None:
        """Note that a server has done what it is there for."""
        if server.failures > TOLD_AT:
            _log.warning("%s works again", server.url)
        server.answered += 1
        server.failures = 0
        self._trouble_since_s = None

    def rest(self, lease: Lease, detail: str, at_least_s: float = 0.0) -> None:
        """Leave a server alone until it is well, unless it has been away since the lease."""
        server = lease.server
        if lease.rests < server.rests:
            return
        server.rests += 1
        server.limit.turned_away()
        if not server.away:
            self._note_trouble(server, detail)
            self._send_away(server, lambda: self._recover(server, detail, at_least_s))

    async def aclose(self) -> None:
        """Stop looking after servers that are away."""
        for task in list(self._absences):
            task.cancel()
        await asyncio.gather(*self._absences, return_exceptions=True)

    def _freest(self) -> Server | None:
        """Return the server with the smallest share of its limit in use, None if all are full."""
        best, least = None, 1.0
        for server in self.all:
            load = server.in_flight / server.limit.value
            if not server.away and load < least:
                best, least = server, load
        return best

    def _hand_out(self) -> None:
        while self._waiting and (server := self._freest()) is not None:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(_lease(server))

    def _send_away(self, server: Server, absence: Callable[[], Awaitable[None]]) -> None:
        async def absent() -> None:
            try:
                await absence()
            except Exception as error:
                self._give_up(error)
            finally:
                server.away = False
            self._hand_out()

        server.away = True
        task = asyncio.create_task(absent())
        self._absences.add(task)
        task.add_done_callback(self._absences.discard)

    async def _pause(self, asked_s: float) -> None:
        """Wait as long as a server asks, and a little more, so that not all come back at once."""
        pause_s = asked_s + self._chance.uniform(0.0, 0.25 * asked_s)
        await self._clock.sleep(min(pause_s, self._patience_s))

    async def _recover(self, server: Server, detail: str, at_least_s: float) -> None:
        """Look at a server again and again until it is well."""
        fault: str | None = detail
        while fault is not None and self._given_up is None:
            if server.failures == TOLD_AT:
                _log.warning("%s does not work, waiting for it: %s", server.url, fault)
            pause_s = full_jitter(server.failures, FIRST_PROBE_S, LONGEST_PROBE_S, self._chance)
            server.failures += 1
            await self._clock.sleep(min(max(pause_s, at_least_s), self._patience_s))
            at_least_s = 0.0
            fault = await self._look(server.url)
            if fault is not None:
                server.limit.restart()
                self._note_trouble(server, fault)

    def _note_trouble(self, server: Server, detail: str) -> None:
        """Note that a server did not do its work, and give up where none has for too long."""
        now = self._clock.monotonic()
        if self._trouble_since_s is None:
            self._trouble_since_s = now
        elif now - self._trouble_since_s >= self._patience_s:
            names = ", ".join(one.url for one in self.all)
            self._give_up(
                StageError(
                    f"no server has answered a request for {self._patience_s:g} s: {names}. The "
                    f"latest error, from {server.url}: {detail}. All answers so far are on disk: "
                    "start the servers and run the same command again, and it goes on from there. "
                    "patience_s says how long to wait."
                )
            )

    def _give_up(self, error: BaseException) -> None:
        self._given_up = error
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(error)


def _lease(server: Server) -> Lease:
    server.in_flight += 1
    return Lease(server, server.answered, server.rests)
