"""The `Backend` contract over servers of our own: started when first asked, then an endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from earmark.annotate.backends.base import NOTHING_DISCOVERED, Backend, Completion, Prompt, Refusal
from earmark.annotate.backends.endpoint.backend import MIN_PREFETCH, EndpointBackend
from earmark.annotate.backends.vllm.resources import visible_gpus
from earmark.annotate.backends.vllm.servers import ServerGroup, SupervisorTiming

if TYPE_CHECKING:
    from earmark.annotate.backends.vllm.config import VllmConfig


class VllmBackend(Backend):
    """Serves a model on this machine and asks it.

    Servers that end are started again while the endpoint waits for them; when one gives up, every
    prompt under way raises its StageError.

    Args:
        config: checked settings.
        pace: how closely servers are watched.
    """

    needs_canary = True

    def __init__(self, config: VllmConfig, pace: SupervisorTiming | None = None) -> None:
        self.fingerprint = config.fingerprint
        per_server = max(config.gpus_per_server, 1)
        servers = config.servers or max(len(visible_gpus()) // per_server, 1)
        most = config.concurrency * servers
        self.concurrency = most + max(most // 2, MIN_PREFETCH)
        self._config = config
        self._pace = pace or SupervisorTiming()
        self._fleet: ServerGroup | None = None
        self._starting: asyncio.Task[EndpointBackend] | None = None
        self.discovered: Mapping[str, str] = NOTHING_DISCOVERED

    async def generate(self, prompt: Prompt) -> Completion | Refusal:
        """Answer one prompt; the first waits until all servers are up.

        Raises:
            ConfigError: vLLM is not installed, or the GPUs are too few.
            StageError: a server does not come up, or the endpoint's patience is at its end.
        """
        if self._starting is None:
            self._fleet = ServerGroup(self._config, self._pace)
            self._starting = asyncio.create_task(self._start(self._fleet))
        # Shielded: a prompt that is given up must not stop the start for the others.
        endpoint = await asyncio.shield(self._starting)
        assert self._fleet is not None
        answer = await _answer_or_failure(endpoint.generate(prompt), self._fleet.failure)
        self.discovered = endpoint.discovered
        return answer

    async def aclose(self) -> None:
        """End the servers and all their processes."""
        if self._starting is None or self._fleet is None:
            return
        self._starting.cancel()
        (endpoint,) = await asyncio.gather(self._starting, return_exceptions=True)
        if isinstance(endpoint, EndpointBackend):
            await endpoint.aclose()
        await self._fleet.aclose()

    async def _start(self, fleet: ServerGroup) -> EndpointBackend:
        return self._config.endpoint(await fleet.start()).build()


async def _answer_or_failure(
    asked: Coroutine[Any, Any, Completion | Refusal], failure: asyncio.Future[None]
) -> Completion | Refusal:
    """Return the answer, or raise the failure where that comes first."""
    answer = asyncio.create_task(asked)
    try:
        await asyncio.wait({answer, failure}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            failure.result()
        return await answer
    finally:
        answer.cancel()
