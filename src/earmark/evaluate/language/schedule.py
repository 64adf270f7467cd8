"""The learning rate of a short training, and when it looks at validation."""

from __future__ import annotations

import math


def rate(step: int, steps: int) -> float:
    """Return the share of the highest learning rate at a step from 0 to `steps` - 1.

    In a tenth of the steps it rises, then it falls as a cosine.
    """
    warm = max(steps // 10, 1)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))


def is_check(step: int, steps: int, checks: int) -> bool:
    """Return whether validation is looked at after `step`: about `checks` times, and at the end."""
    return (step + 1) % max(steps // checks, 1) == 0 or step + 1 == steps
