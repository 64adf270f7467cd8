"""Learning rates as functions of training progress, relative to their peak.

Half a cosine (arXiv 1608.03983) and Eden (arXiv 2310.11230, section 3.5).
"""

from __future__ import annotations

import math

EDEN_WARMUP_START = 0.5
"""Where Eden's warm-up begins (arXiv 2310.11230, section 3.5)."""


def cosine_schedule(step: int, steps: int, warmup_steps: int) -> float:
    """Return the share of the peak rate at step 0, 1, ...: linear warm-up, then half a cosine.

    The cosine (arXiv 1608.03983) is at 1 at step 0, and would be at 0 at step `steps`.
    """
    warm = min(1.0, (step + 1) / max(warmup_steps, 1))
    return warm * 0.5 * (1.0 + math.cos(math.pi * step / steps))


def eden_schedule(
    step: int, epoch: float, *, steps: int | float, epochs: int | float, warmup_steps: int
) -> float:
    """Return the share of the base rate at step 0, 1, ... (arXiv 2310.11230, section 3.5).

    ((t^2 + S^2) / S^2)^-1/4 ((e^2 + E^2) / E^2)^-1/4 linear(t): flat at first, later falling as the
    square root of the steps t and of the epochs e; `linear` rises from a half to 1.

    Args:
        step: t, steps taken.
        epoch: e, epochs done, with their fraction.
        steps: S, after which the rate begins to fall.
        epochs: E, after which it begins to fall once more.
        warmup_steps: over which `linear` rises.
    """
    by_step = ((step**2 + steps**2) / steps**2) ** -0.25
    by_epoch = ((epoch**2 + epochs**2) / epochs**2) ** -0.25
    warm = 1.0
    if step < warmup_steps:
        warm = EDEN_WARMUP_START + (1.0 - EDEN_WARMUP_START) * step / warmup_steps
    return by_step * by_epoch * warm
