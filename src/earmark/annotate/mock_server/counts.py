"""What the mock server has seen, for tests and benchmarks to look at."""

from __future__ import annotations

from collections import Counter

import msgspec


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET /stats.

    Args:
        requests: chat requests that came, whatever became of them.
        completed: those answered with a chat completion.
        in_flight: those not yet answered, the queued ones among them.
        max_in_flight: the most there ever were.
        being_served: those that hold a slot.
        by_status: how many ended with each HTTP status; "left" where the client went away, "reset"
            where the server cut the connection.
        requests_by_key: how often each content was read, so not what an outage turned away; a key
            is a hash of the user's content.
        completed_by_key: how often each content was answered with a chat completion.
    """

    requests: int = 0
    completed: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    being_served: int = 0
    by_status: dict[str, int] = {}
    requests_by_key: dict[str, int] = {}
    completed_by_key: dict[str, int] = {}


class Counts:
    """Counters behind `Stats`."""

    def __init__(self) -> None:
        self._requests = 0
        self._in_flight = 0
        self._max_in_flight = 0
        self._by_status: Counter[str] = Counter()
        self._requests_by_key: Counter[str] = Counter()
        self._completed_by_key: Counter[str] = Counter()

    def came(self) -> None:
        """Count a chat request that arrives."""
        self._requests += 1
        self._in_flight += 1
        self._max_in_flight = max(self._max_in_flight, self._in_flight)

    def attempt(self, key: str) -> int:
        """Count a request for this content; return how many came before."""
        self._requests_by_key[key] += 1
        return self._requests_by_key[key] - 1

    def completed(self, key: str) -> None:
        """Count a chat completion for this content."""
        self._completed_by_key[key] += 1

    def ended(self, status: str) -> None:
        """Count how a chat request ended."""
        self._in_flight -= 1
        self._by_status[status] += 1

    def stats(self, being_served: int) -> Stats:
        """Return the counts so far."""
        return Stats(
            requests=self._requests,
            completed=self._completed_by_key.total(),
            in_flight=self._in_flight,
            max_in_flight=self._max_in_flight,
            being_served=being_served,
            by_status=dict(self._by_status),
            requests_by_key=dict(self._requests_by_key),
            completed_by_key=dict(self._completed_by_key),
        )
