"""Choose the server for each request: the least loaded of those that are up.

An adaptive limit finds how many requests each server can take at once. Servers that are down are
checked with exponential back-off and full jitter.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import msgspec

from earmark.annotate.backends.base import Completion, Refusal
from earmark.annotate.backends.endpoint.client import (
    RequestFailed,
    RequestOutcome,
    ServerBusy,
    ServerDown,
)
from earmark.workspace import StageError


@dataclass(frozen=True)
class Clock:
    """The time, and how to let it pass; tests bring their own."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


def full_jitter_s(failures: int, first_s: float, longest_s: float, chance: random.Random) -> float:
    """Return a pause in seconds after so many failures in a row, 0 for none.

    It is drawn between nothing and a bound that starts at `first_s` and doubles up to
    `longest_s`, so that many clients do not come back at one moment (M. Brooker, "Exponential
    Backoff and Jitter", AWS Architecture Blog, 2015).
    """
    if failures < 1:
        return 0.0
    return chance.uniform(0.0, min(longest_s, first_s * 2.0 ** min(failures - 1, 60)))


INITIAL_LIMIT = 16
"""Requests in flight to begin with, or half of the maximum where that is more."""

ROUNDS_TO_MAXIMUM = 16
"""Additive growth: from nothing to the maximum in so many rounds of answers."""

OUTCOME_WEIGHT = 1 / 32
"""Of the latest outcome in the moving share of requests that were turned away."""

SATURATED_SHARE = 0.2
"""Slow start ends where more than this share is turned away."""

EXHAUSTED_SHARE = 0.5

MIN_OUTCOMES = 8
"""More than this share, of at least so many outcomes: the server turns everybody away."""


class AdaptiveLimit:
    """Slow start, additive increase, and a cut in proportion to how much is turned away.

    A round is as many outcomes as the limit. In slow start the limit doubles each round, until a
    fifth of the requests is turned away; then it grows by a sixteenth of the maximum. A refusal
    cuts it by half of the share that is turned away (a moving average), but at most once a round:
    what was in flight at a cut says nothing about the limit after it. So a server that turns
    everything away is given half as much each round, while one that drops a few requests for
    reasons of its own stays busy. Slow start and one cut a round trip are TCP's (RFC 5681), the
    cut by share is DCTCP's (RFC 8257, section 3.3).

    Args:
        maximum: the limit never exceeds this, at least 1.
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self.restart()

    @property
    def value(self) -> int:
        """How many requests may be in flight now, at least 1."""
        return int(self._value)

    @property
    def exhausted(self) -> bool:
        """Whether most of what the server is sent is turned away."""
        return self._outcomes >= MIN_OUTCOMES and self._refused_share > EXHAUSTED_SHARE

    def answered(self) -> None:
        """Note that a request was served."""
        self._count(0.0)
        growth = 1.0 if self._starting else self._maximum / ROUNDS_TO_MAXIMUM / self._value
        self._value = min(self._value + growth, float(self._maximum))

    def turned_away(self) -> None:
        """Note that a request was turned away, or took too long."""
        self._count(1.0)
        if self._until_next_cut > 0:
            return
        self._until_next_cut = self.value
        self._starting = self._starting and self._refused_share <= SATURATED_SHARE
        self._value = max(self._value * (1 - self._refused_share / 2), 1.0)

    def restart(self) -> None:
        """Begin anew: the server was gone, and what it can take now is not known."""
        self._refused_share = 0.0
        self._outcomes = 0
        self._starting = True
        self._value = self._start()
        self._until_next_cut = self.value

    def _count(self, refused: float) -> None:
        """Take an outcome into the share: a plain mean at first, then a moving one."""
        self._until_next_cut -= 1
        self._outcomes += 1
        self._refused_share += max(1 / self._outcomes, OUTCOME_WEIGHT) * (
            refused - self._refused_share
        )

    def _start(self) -> float:
        return float(min(max(INITIAL_LIMIT, self._maximum // 2), self._maximum))


FIRST_HEALTH_PAUSE_S = 0.5

MAX_HEALTH_PAUSE_S = 3.0
"""Bounds of the pause between two looks at a server that is down, seconds."""

WARN_AFTER_FAILURES = 2
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


class LoadBalancer:
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
            return _grant_lease(server)
        turn: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release(turn.result(), None)
            raise

    def release(self, lease: Lease, outcome: RequestOutcome | None) -> None:
        """Hand a lease back and learn from what came of it, None for a request not finished."""
        server = lease.server
        server.in_flight -= 1
        match outcome:
            case Completion():
                self.note_answer(server)
                server.limit.answered()
            case Refusal():
                server.limit.answered()
            case ServerBusy():
                server.limit.turned_away()
                self._note_trouble(server, outcome.detail)
                if outcome.retry_after_s and server.limit.exhausted and not server.away:
                    self._send_away(
                        server, lambda asked_s=outcome.retry_after_s: self._pause(asked_s)
                    )
            case RequestFailed(reason="timeout"):
                server.limit.turned_away()
            case ServerDown():
                self.rest(lease, outcome.detail, outcome.retry_after_s or 0.0)
            case _:
                pass
        self._hand_out()

    def note_answer(self, server: Server) -> None:
        """Note that a server has done what it is there for."""
        if server.failures > WARN_AFTER_FAILURES:
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
                turn.set_result(_grant_lease(server))

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
            if server.failures == WARN_AFTER_FAILURES:
                _log.warning("%s does not work, waiting for it: %s", server.url, fault)
            pause_s = full_jitter_s(
                server.failures, FIRST_HEALTH_PAUSE_S, MAX_HEALTH_PAUSE_S, self._chance
            )
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


def _grant_lease(server: Server) -> Lease:
    server.in_flight += 1
    return Lease(server, server.answered, server.rests)
