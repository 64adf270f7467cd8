"""Percentile bootstrap over test recordings (Efron & Tibshirani 1993, chapter 13).

Clips of one recording are drawn together: they are not independent, and drawing them one by one
would make intervals too narrow. Speakers are not drawn: an interval is about these voices.

With fewer than `FEWEST_RECORDINGS` there is no interval. Few recordings have few resamples (a
single one has one, three have ten), and their interval would be narrow for no better reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np
from jaxtyping import Float64

from earmark.records import Example, recording_of

CONFIDENCE = 0.95
FEWEST_RECORDINGS = 5
"""Test recordings below which there is no interval."""
DIGITS = 16
"""Hexadecimal digits of a digest of clips."""
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


def bootstrapped(
    measure: Callable[
        [Float64[np.ndarray, "_ clips"]],
        Float64[np.ndarray, "*values _"],
    ],
    recordings: Sequence[str],
    *,
    task: str,
    seed: int,
    resamples: int,
) -> Float64[np.ndarray, "*values resamples"]:
    """Return what is measured on each resample; NaN with fewer than `FEWEST_RECORDINGS`.

    Equal (seed, task) draw equal resamples for every encoder and probe: differences are paired.

    Args:
        measure: how often each clip is in each resample of a block -> a value a resample, or
            several, resamples in the last place.
        recordings: that of each clip.
        task: the name of the task.
        seed: of the draws.
        resamples: in all blocks together.
    """
    rng = np.random.default_rng((seed, *task.encode()))
    blocks = [measure(weights) for weights in resample_weights(recordings, resamples, rng)]
    values = np.concatenate(blocks, axis=-1)
    enough = len(set(recordings)) >= FEWEST_RECORDINGS
    return values if enough else np.full_like(values, np.nan)


def clips_digest(examples: Sequence[Example], truths: Sequence[Sequence[str]]) -> str:
    """Return a digest of what resamples are drawn from; "" where there are no clips.

    Args:
        examples: the test clips in order.
        truths: what is true of each: its classes, its texts, or its answer.
    """
    if not examples:
        return ""
    rows = [
        (example.id, recording_of(example), sorted(truth))
        for example, truth in zip(examples, truths, strict=True)
    ]
    return hashlib.sha256(msgspec.json.encode(rows)).hexdigest()[:DIGITS]


def percentile_interval(values: Float64[np.ndarray, " resamples"]) -> tuple[float, float]:
    """Return the 95 % percentile interval of bootstrap values; NaN values do not count."""
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return float("nan"), float("nan")
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(finite, [tail, 100 - tail])
    return float(low), float(high)
