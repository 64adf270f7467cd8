"""Means over seeds, and intervals that know of both chances: of the seed and of the test clips.

With S seeds, m is the mean of their values. Seeds add the variance s^2 / S, with s^2 the sample
variance of the values; test clips add that of the mean over seeds on the bootstrap resamples, which
hold the same clips in every run. The interval is m +- t * sqrt(of the sum), Student's t with the
degrees of freedom of Welch (1947) and Satterthwaite (1946), where the clips' share counts as known.
s^2 holds a part of the clips' chance already, so intervals are a little too wide rather than too
narrow. Differences are treated in the same way, seed by seed and resample by resample.
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
    """A mean over seeds with its 95 % interval; `low` and `high` are NaN under a single seed."""

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

    A single seed has the interval of its test clips alone, which says nothing of other seeds:
    it is NaN, for nobody should read it as one over seeds.
    """
    if not runs:
        return Interval(NAN, NAN, NAN)
    values = np.array([run.value for run in runs])
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, NAN, NAN)
    of_seeds = float(values.var(ddof=1)) / len(values)
    together = np.mean([run.resampled for run in runs], axis=0)
    of_clips = float(np.nanvar(together, ddof=1))
    half = _reach(of_seeds, of_clips, len(values)) * np.sqrt(of_seeds + of_clips)
    return Interval(mean, mean - float(half), mean + float(half))


def paired(ours: Sequence[Measured], theirs: Sequence[Measured]) -> Interval:
    """Return the mean difference of two arms, run by run under the same seeds, with its interval.

    Resamples must hold the same test clips: those of equal (task, seed of evaluation) do.
    """
    differences = [
        Measured(a.value - b.value, a.resampled - b.resampled)
        for a, b in zip(ours, theirs, strict=True)
    ]
    return over_seeds(differences)


def _reach(of_seeds: float, of_clips: float, seeds: int) -> float:
    """Return how many standard errors an interval reaches to either side."""
    from scipy.stats import t

    if of_seeds == 0.0:
        freedom = np.inf
    else:
        freedom = (of_seeds + of_clips) ** 2 * (seeds - 1) / of_seeds**2
    return float(t.ppf(0.5 + CONFIDENCE / 2, freedom))
