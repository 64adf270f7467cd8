"""Precision, recall and F1 of sums over clips, with bootstrap intervals."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int, Int64

TAILS = (2.5, 97.5)
"""Percentiles that bound 95 % of the draws."""

DRAWS_AT_ONCE = 4_000_000
"""Weights held in memory at a time: 32 MB."""


class Estimate(NamedTuple):
    """A value with its 95 % interval; all NaN where nothing was to be measured."""

    value: float
    low: float
    high: float


class Rates(NamedTuple):
    """What counts come to."""

    precision: Estimate
    recall: Estimate
    f1: Estimate


def rates(
    counts: Int64[np.ndarray, "recordings 4"],
    rng: np.random.Generator,
    resamples: int,
    *,
    blank: int = 0,
) -> Rates:
    """Return precision, recall and F1 with percentile intervals (Efron & Tibshirani 1993, ch. 13).

    Recordings are drawn with replacement, and those with equal counts together: how often a count
    pattern is drawn is multinomial, so 1,000 draws cost no more for a million recordings than for
    as many as there are patterns.

    Args:
        counts: of each recording, classes named, those of them that are right, labels, and those
            of them that were found.
        rng: equal states give equal intervals, whatever the order of recordings.
        resamples: how many draws.
        blank: so many more recordings have only zeros.
    """
    whole = _rates(counts.sum(axis=0, keepdims=True))[:, 0]
    if not len(counts):
        return Rates(*(Estimate(*[float("nan")] * 3) for _ in range(3)))
    drawn = _rates(_resampled(counts, blank, rng, resamples))
    return Rates(*(_estimate(value, draws) for value, draws in zip(whole, drawn, strict=True)))


def grouped(
    counts: Int64[np.ndarray, "clips columns"], recordings: Int[np.ndarray, " clips"]
) -> Int64[np.ndarray, "recordings columns"]:
    """Return the counts of clips summed over each recording, which are drawn together."""
    _, group = np.unique(recordings, return_inverse=True)
    sums = np.zeros((int(group.max(initial=-1)) + 1, counts.shape[1]), dtype=np.int64)
    np.add.at(sums, group, counts)
    return sums


def _resampled(
    counts: Int64[np.ndarray, "recordings 4"],
    blank: int,
    rng: np.random.Generator,
    resamples: int,
) -> Int64[np.ndarray, "resamples 4"]:
    nought = np.zeros((1, 4), dtype=np.int64)  # sorts first, whether or not any row is so
    patterns, times = patterns_of(np.concatenate([counts, nought]))
    times[0] += blank - 1
    recordings = len(counts) + blank
    share = times / recordings
    block = max(DRAWS_AT_ONCE // len(patterns), 1)
    sums = [
        rng.multinomial(recordings, share, size=min(block, resamples - start)) @ patterns
        for start in range(0, resamples, block)
    ]
    return np.concatenate(sums) if sums else np.zeros((0, 4), dtype=np.int64)


def patterns_of(
    counts: Int64[np.ndarray, "recordings 4"],
) -> tuple[Int64[np.ndarray, "patterns 4"], Int64[np.ndarray, " patterns"]]:
    """Return the distinct rows, sorted, and how often each is there."""
    bases = [int(most) + 1 for most in counts.max(axis=0)]
    if prod(bases) > np.iinfo(np.int64).max:
        return np.unique(counts, axis=0, return_counts=True)
    # A row as one number: that sorts twenty times as fast.
    numbers = np.ravel_multi_index(tuple(counts.T), bases)
    distinct, times = np.unique(numbers, return_counts=True)
    return np.stack(np.unravel_index(distinct, bases), axis=1), times


def _rates(sums: Int64[np.ndarray, "rows 4"]) -> Float64[np.ndarray, "3 rows"]:
    """Return precision, recall and F1 of each row of sums, NaN where nothing was to be found."""
    named, right, labels, found = sums.T.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = right / named
        recall = found / labels
        f1 = 2 * precision * recall / (precision + recall)
    # Nothing right is an F1 of 0; nothing named of what there is as well.
    f1 = np.where((precision + recall == 0) | ((named == 0) & (labels > 0)), 0.0, f1)
    return np.stack([precision, recall, f1])


def _estimate(value: float, draws: Float64[np.ndarray, " resamples"]) -> Estimate:
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return Estimate(float(value), float("nan"), float("nan"))
    low, high = np.percentile(finite, TAILS)
    return Estimate(float(value), float(low), float(high))
