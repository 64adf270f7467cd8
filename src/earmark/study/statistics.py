"""Means over seeds, and intervals that know of both chances: of the seed and of the test clips.

With S seeds, m is the mean of their values. Seeds add the variance s^2 / S, with s^2 the sample
variance of the values; test clips add v, that of the mean over seeds on the bootstrap resamples,
which hold the same clips in every run. The interval is m +- sqrt(t^2 s^2 / S + z^2 v), with t the
97.5 % point of Student's distribution of S - 1 degrees of freedom and z that of the normal one. In
simulation with 2 to 5 seeds it holds the truth in 95 to 99 of 100 cases; the interval of Welch and
Satterthwaite, which is narrower, in 86 to 94. Differences are treated in the same way, seed by seed
and resample by resample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

CONFIDENCE = 0.95
NAN = float("nan")


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95 % interval; `low` and `high` are NaN where there is none."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """A score under one seed, and its value on each bootstrap resample of the test clips."""

    value: float
    resampled: Float64[np.ndarray, " resamples"]


def over_seeds(runs: Sequence[Measured]) -> Interval:
    """Return the mean of a score over seeds, with its interval; NaN where there are no runs.

    There is no interval under a single seed, which says nothing of other seeds, nor where fewer
    than two resamples have a value under every seed.
    """
    if not runs:
        return Interval(NAN, NAN, NAN)
    values = np.array([run.value for run in runs])
    mean = float(values.mean())
    together = np.mean([run.resampled for run in runs], axis=0)
    together = together[np.isfinite(together)]
    if len(values) < 2 or len(together) < 2:
        return Interval(mean, NAN, NAN)
    of_seeds = float(values.var(ddof=1)) / len(values)
    half = _half_width(of_seeds, float(together.var(ddof=1)), len(values))
    return Interval(mean, mean - half, mean + half)


def paired(ours: Sequence[Measured], theirs: Sequence[Measured]) -> Interval:
    """Return the mean difference of two arms, run by run under the same seeds, with its interval.

    Resamples must hold the same test clips: those of equal (task, seed of evaluation) do.
    """
    differences = [
        Measured(a.value - b.value, a.resampled - b.resampled)
        for a, b in zip(ours, theirs, strict=True)
    ]
    return over_seeds(differences)


def _half_width(of_seeds: float, of_clips: float, seeds: int) -> float:
    from scipy.stats import norm, t

    tail = 0.5 + CONFIDENCE / 2
    reach = float(t.ppf(tail, seeds - 1)) ** 2 * of_seeds + float(norm.ppf(tail)) ** 2 * of_clips
    return float(np.sqrt(reach))
