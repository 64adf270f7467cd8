"""Percentile bootstrap over recordings (Efron & Tibshirani 1993, chapter 13).

Clips of one recording are drawn together: they are not independent, and drawing them one by one
would make intervals too narrow. Speakers are not drawn: an interval is about these voices.

With fewer than `FEWEST_RECORDINGS` test recordings a score has no interval. Few recordings have few
resamples (a single one has one, three have ten), and their interval would be narrow for no better
reason.

`resample_weights` and `bootstrap_values` serve any measure of clips; `bootstrap_rates` gives
precision, recall and F1 of sums over recordings; `read_resamples` reads the values of each score on
its resamples, which pair the runs of a study.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from jaxtyping import Float64, Int64, Integer

from earmark.records import Example, Score, recording_id

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


def bootstrap_values(
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
        (example.id, recording_id(example), sorted(truth))
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


TAILS = (2.5, 97.5)
"""Percentiles that bound 95 % of the draws."""


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


def bootstrap_rates(
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
    whole = _precision_recall_f1(counts.sum(axis=0, keepdims=True))[:, 0]
    if not len(counts):
        return Rates(*(Estimate(*[float("nan")] * 3) for _ in range(3)))
    drawn = _precision_recall_f1(_resample_sums(counts, blank, rng, resamples))
    return Rates(*(_estimate(value, draws) for value, draws in zip(whole, drawn, strict=True)))


def sum_by_recording(
    counts: Int64[np.ndarray, "clips columns"], recordings: Integer[np.ndarray, " clips"]
) -> Int64[np.ndarray, "recordings columns"]:
    """Return the counts of clips summed over each recording, which are drawn together."""
    _, group = np.unique(recordings, return_inverse=True)
    sums = np.zeros((int(group.max(initial=-1)) + 1, counts.shape[1]), dtype=np.int64)
    np.add.at(sums, group, counts)
    return sums


def _resample_sums(
    counts: Int64[np.ndarray, "recordings 4"],
    blank: int,
    rng: np.random.Generator,
    resamples: int,
) -> Int64[np.ndarray, "resamples 4"]:
    nought = np.zeros((1, 4), dtype=np.int64)  # sorts first, whether or not any row is so
    patterns, times = count_patterns(np.concatenate([counts, nought]))
    times[0] += blank - 1
    recordings = len(counts) + blank
    share = times / recordings
    block = max(WEIGHTS_AT_ONCE // len(patterns), 1)
    sums = [
        rng.multinomial(recordings, share, size=min(block, resamples - start)) @ patterns
        for start in range(0, resamples, block)
    ]
    return np.concatenate(sums) if sums else np.zeros((0, 4), dtype=np.int64)


def count_patterns(
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


def _precision_recall_f1(sums: Int64[np.ndarray, "rows 4"]) -> Float64[np.ndarray, "3 rows"]:
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


RESAMPLES_FILE = "resamples.safetensors"

ScoreKey = tuple[str, str, int, str]
"""What tells one score of an encoder from another: task, probe, shots, metric."""


def score_key(score: Score) -> ScoreKey:
    """Return which of an encoder's scores it is."""
    return score.task, score.probe, score.shots, score.metric


def read_resamples(folder: Path) -> dict[tuple[str, ScoreKey], Float64[np.ndarray, " resamples"]]:
    """Return the resamples by encoder and measure."""
    from safetensors.numpy import load_file

    found = load_file(folder / RESAMPLES_FILE)
    return {_decode_score_key(key): values for key, values in found.items()}


def encode_score_key(encoder: str, measure: ScoreKey) -> str:
    """Return the name under which a score's resamples are stored."""
    return msgspec.json.encode((encoder, measure)).decode()


def _decode_score_key(key: str) -> tuple[str, ScoreKey]:
    return msgspec.json.decode(key, type=tuple[str, ScoreKey])
