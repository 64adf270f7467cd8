"""What a random order of the candidates would score, worked out exactly."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64, Int64

from earmark.evaluate.retrieval.metrics import DEPTHS, PRECISION_DEPTH


def chances(rights: Int64[np.ndarray, " queries"], candidates: int) -> dict[str, float]:
    """Return the chance level of each metric of `rank_metrics`, by name.

    With R of M candidates right, none of the first k is with probability C(M - R, k) / C(M, k);
    the median rank is where, over all queries, the first right one has come with one half; and
    place k holds a right one after (k - 1) (R - 1) / (M - 1) others, on the mean.

    Args:
        rights: how many right answers each query has, at least one.
        candidates: that are ranked for each query.
    """
    shares = np.bincount(rights, minlength=candidates + 1) / len(rights)
    found = {depth: _found(shares, candidates, depth) for depth in DEPTHS}
    return {
        **{f"recall_at_{depth}": chance for depth, chance in found.items()},
        "median_rank": float(_median_rank(shares, candidates)),
        f"map_at_{PRECISION_DEPTH}": _precision(shares, candidates),
    }


def _found(shares: Float64[np.ndarray, " counts"], candidates: int, depth: int) -> float:
    """Return how likely a right one is among the first; `shares` of queries by right answers."""
    missed = 0.0
    for right in np.nonzero(shares)[0].tolist():
        if right + depth <= candidates:
            missed += shares[right] * math.exp(
                _log_choose(candidates - right, depth) - _log_choose(candidates, depth)
            )
    return float(1 - missed)


def _median_rank(shares: Float64[np.ndarray, " counts"], candidates: int) -> int:
    """Return the first depth by which half of the queries are expected to have found."""
    low, high = 1, candidates
    while low < high:
        middle = (low + high) // 2
        if _found(shares, candidates, middle) >= 0.5 - 1e-12:
            high = middle
        else:
            low = middle + 1
    return low


def _precision(shares: Float64[np.ndarray, " counts"], candidates: int) -> float:
    places = np.arange(1, min(PRECISION_DEPTH, candidates) + 1)
    total = 0.0
    for right in np.nonzero(shares)[0].tolist():
        others = (places - 1) * (right - 1) / max(candidates - 1, 1)
        gained = (right / candidates * (1 + others) / places).sum()
        total += shares[right] * gained / min(right, PRECISION_DEPTH)
    return float(total)


def _log_choose(among: int, chosen: int) -> float:
    return math.lgamma(among + 1) - math.lgamma(chosen + 1) - math.lgamma(among - chosen + 1)
