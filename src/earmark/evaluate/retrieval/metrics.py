"""Metrics of retrieval from ranks, and what a random order would score, computed exactly.

A query may have several right answers. A wrong candidate that scores as high as a right one comes
before it: vectors that are all the same retrieve nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

RECALL_DEPTHS = (1, 5, 10)
"""Ranks that recall is measured at."""

PRECISION_DEPTH = 10
"""Rank that average precision is cut at."""

QUERIES_PER_BLOCK = 512


@dataclass(frozen=True)
class QueryRanks:
    """For each query the `rank` of its first right answer, from 1 on, and its AP@10."""

    rank: Int64[np.ndarray, " queries"]
    precision: Float64[np.ndarray, " queries"]

    def of(self, queries: Int64[np.ndarray, " some"]) -> QueryRanks:
        """Return some of the queries, each as often as it is named."""
        return QueryRanks(self.rank[queries], self.precision[queries])


@dataclass(frozen=True)
class RankMetric:
    """A metric of weighted queries: `measure(ranked, weights)` gives one value a resample."""

    name: str
    measure: Callable[
        [QueryRanks, Float64[np.ndarray, "resamples queries"]], Float64[np.ndarray, " resamples"]
    ]
    lower_is_better: bool = False


def rank_metrics() -> tuple[RankMetric, ...]:
    """Return recall at 1, 5 and 10, the median rank, and mAP at 10."""
    recalls = (RankMetric(f"recall_at_{depth}", _recall_at(depth)) for depth in RECALL_DEPTHS)
    return (
        *recalls,
        RankMetric("median_rank", lambda r, w: weighted_median(r.rank, w), lower_is_better=True),
        RankMetric(f"map_at_{PRECISION_DEPTH}", lambda r, w: _weighted_mean(r.precision, w)),
    )


def rank(
    scores: Float32[np.ndarray, "queries candidates"],
    right: Bool[np.ndarray, "queries candidates"],
) -> QueryRanks:
    """Rank candidates by falling score; each query has a right one.

    AP@10 is the sum over right answers among the first 10 of the precision there, over
    min(10, right answers): with one right answer 1 / rank, or 0 beyond 10.
    """
    first = np.zeros(len(scores), dtype=np.int64)
    precision = np.zeros(len(scores))
    for start in range(0, len(scores), QUERIES_PER_BLOCK):
        rows = slice(start, start + QUERIES_PER_BLOCK)
        first[rows], precision[rows] = _rank_block(scores[rows], right[rows])
    return QueryRanks(first, precision)


def weighted_median(
    values: Int64[np.ndarray, " queries"], weights: Float64[np.ndarray, "resamples queries"]
) -> Float64[np.ndarray, " resamples"]:
    """Return the median, in each row, of values that are there `weights` times."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)
    half = reached[:, -1:] / 2
    low, high = (reached < half).sum(axis=1), (reached <= half).sum(axis=1)
    ordered = values[order].astype(np.float64)
    return (ordered[low] + ordered[np.minimum(high, len(values) - 1)]) / 2


def _rank_block(
    scores: Float32[np.ndarray, "queries candidates"],
    right: Bool[np.ndarray, "queries candidates"],
) -> tuple[Int64[np.ndarray, " queries"], Float64[np.ndarray, " queries"]]:
    rights = right.sum(axis=1)
    most = min(PRECISION_DEPTH, int(rights.max()))
    # Scores of the right ones, falling; a query with fewer has -inf, which ends its row.
    best = -np.sort(-np.where(right, scores, -np.inf), axis=1)[:, :most]
    wrong = np.where(right, -np.inf, scores)
    first = np.zeros(len(scores), dtype=np.int64)
    precision = np.zeros(len(scores))
    for place in range(most):
        here = best[:, place]
        at = (wrong >= here[:, None]).sum(axis=1) + place + 1
        counts = (place < rights) & (at <= PRECISION_DEPTH)
        precision += np.where(counts, (place + 1) / at, 0.0)
        if place == 0:
            first = at.astype(np.int64)
    return first, precision / np.minimum(rights, PRECISION_DEPTH)


def _recall_at(
    depth: int,
) -> Callable[
    [QueryRanks, Float64[np.ndarray, "resamples queries"]], Float64[np.ndarray, " resamples"]
]:
    return lambda ranked, weights: _weighted_mean((ranked.rank <= depth).astype(float), weights)


def _weighted_mean(
    values: Float64[np.ndarray, " queries"], weights: Float64[np.ndarray, "resamples queries"]
) -> Float64[np.ndarray, " resamples"]:
    return weights @ values / weights.sum(axis=1)


def chance_levels(rights: Int64[np.ndarray, " queries"], candidates: int) -> dict[str, float]:
    """Return the chance level of each metric of `rank_metrics`, by name.

    With R of M candidates right, none of the first k is with probability C(M - R, k) / C(M, k);
    the median rank is where, over all queries, the first right one has come with one half; and
    place k holds a right one after (k - 1) (R - 1) / (M - 1) others, on the mean.

    Args:
        rights: how many right answers each query has, at least one.
        candidates: that are ranked for each query.
    """
    shares = np.bincount(rights, minlength=candidates + 1) / len(rights)
    found = {depth: _chance_recall(shares, candidates, depth) for depth in RECALL_DEPTHS}
    return {
        **{f"recall_at_{depth}": chance for depth, chance in found.items()},
        "median_rank": float(_chance_median_rank(shares, candidates)),
        f"map_at_{PRECISION_DEPTH}": _chance_precision(shares, candidates),
    }


def _chance_recall(shares: Float64[np.ndarray, " counts"], candidates: int, depth: int) -> float:
    """Return how likely a right one is among the first; `shares` of queries by right answers."""
    missed = 0.0
    for right in np.nonzero(shares)[0].tolist():
        if right + depth <= candidates:
            missed += shares[right] * math.exp(
                _log_binomial(candidates - right, depth) - _log_binomial(candidates, depth)
            )
    return float(1 - missed)


def _chance_median_rank(shares: Float64[np.ndarray, " counts"], candidates: int) -> int:
    """Return the first depth by which half of the queries are expected to have found."""
    low, high = 1, candidates
    while low < high:
        middle = (low + high) // 2
        if _chance_recall(shares, candidates, middle) >= 0.5 - 1e-12:
            high = middle
        else:
            low = middle + 1
    return low


def _chance_precision(shares: Float64[np.ndarray, " counts"], candidates: int) -> float:
    places = np.arange(1, min(PRECISION_DEPTH, candidates) + 1)
    total = 0.0
    for right in np.nonzero(shares)[0].tolist():
        others = (places - 1) * (right - 1) / max(candidates - 1, 1)
        gained = (right / candidates * (1 + others) / places).sum()
        total += shares[right] * gained / min(right, PRECISION_DEPTH)
    return float(total)


def _log_binomial(among: int, chosen: int) -> float:
    return math.lgamma(among + 1) - math.lgamma(chosen + 1) - math.lgamma(among - chosen + 1)
