"""Metrics of weighted clips, so that one pass gives a metric on every bootstrap resample.

A resample is a row of weights: how often it holds each clip. The point estimate has weights of one.
Classes without a positive clip in a resample do not count in its mean over classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

MetricName = Literal["accuracy", "macro-accuracy", "map"]


@dataclass(frozen=True)
class Metric:
    """A metric from 0 to 1, higher is better.

    `measure(scores, targets, weights)` gives one value a resample; NaN where a resample holds no
    positive clip. `chance(targets)` is what needs no audio: see `get_metric`.
    """

    name: str
    measure: Callable[
        [
            Float64[np.ndarray, "clips classes"],
            Bool[np.ndarray, "clips classes"],
            Float64[np.ndarray, "resamples clips"],
        ],
        Float64[np.ndarray, " resamples"],
    ]
    chance: Callable[[Bool[np.ndarray, "clips classes"]], float]

    def value(
        self,
        scores: Float64[np.ndarray, "clips classes"],
        targets: Bool[np.ndarray, "clips classes"],
    ) -> float:
        """Return the metric on the clips as they are."""
        return float(self.measure(scores, targets, np.ones((1, len(targets))))[0])


def get_metric(name: MetricName) -> Metric:
    """Return a metric and its chance level on the test clips.

    Chance of accuracy is the share of the largest class (the best constant answer), of
    macro-accuracy one over the classes present, of mAP the mean prevalence of the classes
    present (what a random ranking expects).
    """
    match name:
        case "accuracy":
            return Metric("accuracy", accuracy, lambda targets: float(targets.mean(axis=0).max()))
        case "macro-accuracy":
            return Metric(
                "macro-accuracy", macro_accuracy, lambda targets: 1 / int(targets.any(axis=0).sum())
            )
        case "map":
            return Metric(
                "mAP",
                mean_average_precision,
                lambda targets: float(targets.mean(axis=0)[targets.any(axis=0)].mean()),
            )


def accuracy(
    scores: Float64[np.ndarray, "clips classes"],
    targets: Bool[np.ndarray, "clips classes"],
    weights: Float64[np.ndarray, "resamples clips"],
) -> Float64[np.ndarray, " resamples"]:
    """Return the share of clips whose highest score is on the true class."""
    return weights @ _correct(scores, targets) / weights.sum(axis=1)


def macro_accuracy(
    scores: Float64[np.ndarray, "clips classes"],
    targets: Bool[np.ndarray, "clips classes"],
    weights: Float64[np.ndarray, "resamples clips"],
) -> Float64[np.ndarray, " resamples"]:
    """Return the mean recall of the classes (balanced accuracy)."""
    truth = targets.astype(np.float64)
    right = weights @ (truth * _correct(scores, targets)[:, None])
    return _mean_over_classes(right, weights @ truth)


def mean_average_precision(
    scores: Float64[np.ndarray, "clips classes"],
    targets: Bool[np.ndarray, "clips classes"],
    weights: Float64[np.ndarray, "resamples clips"],
) -> Float64[np.ndarray, " resamples"]:
    """Return the mean over classes of average precision, sum_n (R_n - R_(n-1)) P_n.

    Clips of equal score share one threshold, as in scikit-learn. Only thresholds that a positive
    clip has are looked at, as recall grows at no other. Counts are exact up to 16 million clips.
    """
    gained = np.zeros((len(weights), targets.shape[1]))
    positives = weights @ targets.astype(np.float64)
    # A row a clip: what a threshold adds is a sum of whole rows.
    counts = np.ascontiguousarray(weights.T, dtype=np.float32)
    for index in np.flatnonzero(targets.any(axis=0)):
        order = np.argsort(-scores[:, index], kind="stable")
        right = targets[order, index]
        ends = np.unique(_last_of_equals(scores[order, index])[right]) + 1
        seen = _group_sums(counts, order[: ends[-1]], ends)
        hits = _group_sums(counts, order[right], np.cumsum(right)[ends - 1])
        found, ranked = np.cumsum(hits, axis=0), np.cumsum(seen, axis=0)
        # Clips with no weight at the head of the ranking have ranked = 0, but then hits = 0 too.
        gained[:, index] = (hits * found / np.maximum(ranked, 1)).sum(axis=0, dtype=np.float64)
    return _mean_over_classes(gained, positives)


def _correct(
    scores: Float64[np.ndarray, "clips classes"], targets: Bool[np.ndarray, "clips classes"]
) -> Float64[np.ndarray, " clips"]:
    return targets[np.arange(len(targets)), scores.argmax(axis=1)].astype(np.float64)


def _group_sums(
    counts: Float32[np.ndarray, "clips resamples"],
    order: Int64[np.ndarray, " some"],
    ends: Int64[np.ndarray, " groups"],
) -> Float32[np.ndarray, "groups resamples"]:
    """Return sums over groups of clips: group i are those in places ends[i - 1] to ends[i]."""
    from scipy import sparse

    ones = np.ones(len(order), dtype=np.float32)
    starts = np.concatenate([[0], ends])
    groups: Any = sparse.csr_matrix((ones, order, starts), shape=(len(ends), len(counts)))
    return groups @ counts


def _last_of_equals(descending: Float64[np.ndarray, " clips"]) -> Int64[np.ndarray, " clips"]:
    """Return for each place the last place that has the same score."""
    return np.searchsorted(-descending, -descending, side="right") - 1


def _mean_over_classes(
    gained: Float64[np.ndarray, "resamples classes"],
    possible: Float64[np.ndarray, "resamples classes"],
) -> Float64[np.ndarray, " resamples"]:
    """Return the mean of gained / possible over classes where something was possible, else NaN."""
    present = possible > 0
    shares = np.where(present, gained / np.where(present, possible, 1.0), 0.0)
    count = present.sum(axis=1)
    return np.where(count > 0, shares.sum(axis=1) / np.maximum(count, 1), np.nan)
