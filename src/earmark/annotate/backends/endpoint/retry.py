"""Send one request until it is answered, or until the request itself turns out to be at fault."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from earmark.annotate.backends.base import Completion, Refusal
from earmark.annotate.backends.endpoint.balancer import Clock, Lease, LoadBalancer, full_jitter_s
from earmark.annotate.backends.endpoint.client import (
    HttpClient,
    RequestFailed,
    RequestOutcome,
    ServerBusy,
    ServerDown,
    TransportFault,
    UserMistake,
    body_excerpt,
    explain_mistake,
    interpret_reply,
)
from earmark.annotate.backends.endpoint.request import probe_body

if TYPE_CHECKING:
    from earmark.annotate.backends.endpoint.config import EndpointConfig

FIRST_RETRY_PAUSE_S = 0.5
MAX_RETRY_PAUSE_S = 30.0
"""Bounds of the pause of a request that was turned away without a time to come back, seconds."""

MAX_LOST_CONNECTIONS = 3
"""A request that was on its way so often when a server broke off may be what breaks it."""


MAX_TURNED_AWAY = 24
"""A request that was turned away so often by a server which takes others is not taken at all."""

PROBES_IN_A_ROW = 3
"""So many taken in a row show that a server has room."""


class RetryingClient:
    """Sends bodies to servers, and tells the failures of a prompt from those of a server.

    Args:
        config: whom to ask, and for how long.
        client: the connections.
        clock: the time.
        chance: draws the pauses.
    """

    def __init__(
        self, config: EndpointConfig, client: HttpClient, clock: Clock, chance: random.Random
    ) -> None:
        self._config = config
        self._client = client
        self._clock = clock
        self._chance = chance
        self._greeting = probe_body(config)
        self.servers = LoadBalancer(
            config.urls, config.concurrency, config.patience_s, self._look, clock, chance
        )

    async def ask(self, body: bytes) -> Completion | Refusal:
        """Return the answer to a request; waits while servers are busy or down.

        Raises:
            ConfigError: the servers want something mended: the key, the model's name, the URL.
            StageError: no server has answered anything for the time that the settings allow.
        """
        losses = turned_away = 0
        while True:
            lease, outcome = await self._send(body)
            match outcome:
                case Completion() | Refusal():
                    return outcome
                case ServerBusy():
                    turned_away += 1
                    if await self._is_unwelcome(turned_away):
                        return _turned_away_refusal(outcome.detail, turned_away)
                    await self._wait_turn(lease, outcome, turned_away)
                case ServerDown():
                    losses += outcome.lost
                    turned_away += not outcome.lost
                    if await self._is_unwelcome(turned_away):
                        return _turned_away_refusal(outcome.detail, turned_away)
                    if losses >= MAX_LOST_CONNECTIONS and await self._comes_back():
                        detail = f"{losses} connections broke off: {outcome.detail}"
                        return Refusal(reason="connection lost", detail=detail, retryable=True)
                case RequestFailed():
                    if await self._is_well(lease):
                        return Refusal(reason=outcome.reason, detail=outcome.detail, retryable=True)
                    self.servers.rest(lease, outcome.detail)
                case UserMistake():
                    return await self._refused(lease, outcome)

    async def _send(self, body: bytes) -> tuple[Lease, RequestOutcome]:
        lease = await self.servers.acquire()
        outcome: RequestOutcome | None = None
        try:
            reply = await self._client.post(f"{lease.server.url}/chat/completions", body)
            outcome = interpret_reply(reply, self._clock.wall())
            return lease, outcome
        finally:
            self.servers.release(lease, outcome)

    async def _refused(self, lease: Lease, mistake: UserMistake) -> Refusal:
        """Return a refusal if the mistake is the prompt's; raise if it is the user's."""
        verdict = await explain_mistake(mistake, lease.server.url, self._config, self._client)
        if isinstance(verdict, Refusal):
            return verdict
        raise verdict

    async def _wait_turn(self, lease: Lease, busy: ServerBusy, refusals: int) -> None:
        """Wait as the server asks, or by back-off; not at all where the whole server pauses."""
        if lease.server.away:
            return
        jitter_s = full_jitter_s(refusals, FIRST_RETRY_PAUSE_S, MAX_RETRY_PAUSE_S, self._chance)
        pause_s = jitter_s
        if busy.retry_after_s is not None:
            pause_s = busy.retry_after_s + min(jitter_s, 0.25 * busy.retry_after_s)
        await self._clock.sleep(min(pause_s, self._config.patience_s))

    async def _is_well(self, lease: Lease) -> bool:
        """Return whether the server has generated anything since the lease, or does so now.

        A server may be up and its engine stuck, so that it is asked for a word.
        """
        server = lease.server
        async with server.checking:
            if server.answered > lease.answered:
                return True
            if server.rests > lease.rests or await self._look(server.url) is not None:
                return False
            status = await self._greet(server.url)
            if status is None or status >= 500:
                return False
            self.servers.note_answer(server)
            return True

    async def _greet(self, url: str) -> int | None:
        """Ask a server for one word; return the status of its reply, None for no reply."""
        chat = f"{url}/chat/completions"
        reply = await self._client.post(chat, self._greeting, greeting=True)
        return None if isinstance(reply, TransportFault) else reply.status

    async def _is_unwelcome(self, turned_away: int) -> bool:
        """Return whether it is this request that is turned away, and not whatever comes.

        It is if a server takes several greetings, one after the other, in between.
        """
        if turned_away == 0 or turned_away % MAX_TURNED_AWAY:
            return False
        lease = await self.servers.acquire()
        self.servers.release(lease, None)
        for _ in range(PROBES_IN_A_ROW):
            if await self._greet(lease.server.url) != 200:
                return False
        self.servers.note_answer(lease.server)
        return True

    async def _comes_back(self) -> bool:
        """Wait until a server is up again and return whether it generates."""
        lease = await self.servers.acquire()
        self.servers.release(lease, None)
        return await self._is_well(lease)

    async def _look(self, url: str) -> str | None:
        """Return what is wrong with a server, None if it is up."""
        reply = await self._client.get(f"{url}/models")
        if isinstance(reply, TransportFault):
            return reply.detail
        return f"{reply.status}: {body_excerpt(reply.body)}" if reply.status >= 500 else None


def _turned_away_refusal(detail: str, turned_away: int) -> Refusal:
    told = f"turned away {turned_away} times while others were answered: {detail}"
    return Refusal(reason="turned away", detail=told, transient=True)
