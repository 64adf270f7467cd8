"""Percentile bootstrap over test recordings (Efron & Tibshirani 1993, chapter 13).

Clips of one recording are drawn together: they are not independent, and drawing them one by one
would make intervals too narrow. Speakers are not drawn: an interval is about these voices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float64

CONFIDENCE = 0.95
WEIGHTS_AT_ONCE = 4_000_000
"""Clips times resamples held in memory at a time: 32 MB."""


def resample_weights(
    groups: Sequence[str], resamples: int, rng: np.random.Generator
) -> Iterator[Float64[np.ndarray, "resamples clips"]]:
    """Draw groups with replacement; yield, in blocks, how often each clip was drawn.

    Args:
        groups: the group of each clip; clips of one group are drawn together.
        resamples: rows in all blocks together.
        rng: equal states give equal weights, which pairs the resamples of two encoders.
    """
    names, group_of = np.unique(np.asarray(groups), return_inverse=True)
    share = np.full(len(names), 1 / len(names))
    block = max(WEIGHTS_AT_ONCE // len(groups), 1)
    for start in range(0, resamples, block):
        drawn = rng.multinomial(len(names), share, size=min(block, resamples - start))
        yield drawn[:, group_of].astype(np.float64)


def percentile_interval(values: Float64[np.ndarray, " resamples"]) -> tuple[float, float]:
    """Return the 95 % percentile interval of bootstrap values; NaN values do not count."""
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return float("nan"), float("nan")
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(finite, [tail, 100 - tail])
    return float(low), float(high)
