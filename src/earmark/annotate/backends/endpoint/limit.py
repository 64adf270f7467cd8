"""How many requests one server is given at once: a limit that finds out what it can take."""

from __future__ import annotations

START = 16
"""Requests in flight to begin with, or half of the maximum where that is more."""

ROUNDS_TO_MAXIMUM = 16
"""Additive growth: from nothing to the maximum in so many rounds of answers."""

WEIGHT = 1 / 32
"""Of the latest outcome in the moving share of requests that were turned away."""

SATURATED = 0.2
"""Slow start ends where more than this share is turned away."""

MOSTLY = 0.5
FEWEST = 8
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
        return self._outcomes >= FEWEST and self._refused_share > MOSTLY

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
        self._starting = self._starting and self._refused_share <= SATURATED
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
        self._refused_share += max(1 / self._outcomes, WEIGHT) * (refused - self._refused_share)

    def _start(self) -> float:
        return float(min(max(START, self._maximum // 2), self._maximum))
