"""Which request fails: fixed by the seed, the content and how often it came before."""

from __future__ import annotations

import hashlib
import math
from enum import StrEnum
from statistics import NormalDist

from earmark.testing.mock_server.config import MockConfig

_NORMAL = NormalDist()


class InjectedFault(StrEnum):
    """What may befall one request."""

    BUSY = "busy"
    ERROR = "error"
    TIMEOUT = "timeout"
    HTML = "html"


def seeded_uniform(*parts: object) -> float:
    """Return a number in (0, 1) that looks random and depends on `parts` alone."""
    digest = hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest) + 0.5) / 2**64


def draw_fault(config: MockConfig, key: str, attempt: int) -> InjectedFault | None:
    """Return what goes wrong with the `attempt`-th request (from 0) for this content."""
    drawn = seeded_uniform(config.seed, "fault", key, attempt)
    for fault, share in (
        (InjectedFault.BUSY, config.busy_share),
        (InjectedFault.ERROR, config.error_share),
        (InjectedFault.TIMEOUT, config.timeout_share),
        (InjectedFault.HTML, config.html_share),
    ):
        if drawn < share:
            return fault
        drawn -= share
    return None


def draw_latency_s(config: MockConfig, key: str, attempt: int) -> float:
    """Return how long this request takes to answer, seconds."""
    drawn = min(max(seeded_uniform(config.seed, "latency", key, attempt), 1e-9), 1 - 1e-9)
    return config.latency_s * math.exp(config.latency_sigma * _NORMAL.inv_cdf(drawn))


class Health:
    """Whether the server as a whole is well: outages by the clock, and sickness after an audio.

    Times are seconds of one monotonic clock.
    """

    def __init__(self, config: MockConfig) -> None:
        self._config = config
        self._first_chat: float | None = None
        self._sick_until = -math.inf

    def chat_came(self, now: float) -> None:
        """Note a chat request: the first one starts the clock of the outage."""
        if self._first_chat is None:
            self._first_chat = now

    def record_audio(self, duration_s: float, now: float) -> None:
        """Note how long an audio was: too long a one makes the server sick for a while."""
        if self._config.fail_over_s and duration_s > self._config.fail_over_s:
            self._sick_until = now + self._config.sick_s

    def is_out(self, now: float) -> bool:
        """Say whether an outage is on."""
        if self._first_chat is None or not self._config.outage_s:
            return False
        elapsed = now - self._first_chat - self._config.outage_at_s
        return 0 <= elapsed < self._config.outage_s

    def is_sick(self, now: float) -> bool:
        """Say whether the engine is still recovering from an audio that was too long."""
        return now < self._sick_until
