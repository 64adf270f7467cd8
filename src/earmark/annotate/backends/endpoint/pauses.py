"""How long to wait: Retry-After as servers write it, back-off with full jitter, and the clock."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime


@dataclass(frozen=True)
class Clock:
    """The time, and how to let it pass; tests bring their own."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


def full_jitter(failures: int, first_s: float, longest_s: float, chance: random.Random) -> float:
    """Return a pause in seconds after so many failures in a row, 0 for none.

    It is drawn between nothing and a bound that starts at `first_s` and doubles up to
    `longest_s`, so that many clients do not come back at one moment (M. Brooker, "Exponential
    Backoff and Jitter", AWS Architecture Blog, 2015).
    """
    if failures < 1:
        return 0.0
    return chance.uniform(0.0, min(longest_s, first_s * 2.0 ** min(failures - 1, 60)))


def retry_after_s(header: str | None, now: float) -> float | None:
    """Return how long a Retry-After header asks to wait, None where it says nothing.

    It holds seconds or an HTTP date (RFC 9110, section 10.2.3); `now` is seconds since 1970.
    """
    text = (header or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
