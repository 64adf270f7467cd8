"""From the answers of a probe to the rows that are written: once for all probes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from earmark.evaluate.base import NAN, OK, Confusion, Fit, Outcome
from earmark.evaluate.bootstrap import percentile_interval, resample_weights
from earmark.evaluate.metrics import Metric
from earmark.evaluate.probes.probe import Answer
from earmark.records import Score


@dataclass(frozen=True)
class Asked:
    """Who is asked what: the head of every row, and the truth about the test clips.

    `targets` and `recordings` are those of the test clips of all folds, one after another;
    `train`, `validation` and `left_out` count clips where there is no answer that does.
    """

    task: str
    encoder: str
    probe: str
    shots: int
    seed: int
    metric: Metric
    one_answer: bool
    classes: tuple[str, ...]
    targets: Bool[np.ndarray, "clips classes"]
    recordings: Sequence[str]
    train: int
    validation: int
    left_out: int


def no_outcome(asked: Asked, status: str) -> Outcome:
    """Return the outcome of a task that cannot be scored, which says why."""
    return _outcome(asked, NAN, np.zeros(0), (), status)


def outcome_of(asked: Asked, draws: Sequence[Sequence[Answer]], resamples: int) -> Outcome:
    """Score the answers of one or several draws, each of which has an answer a fold.

    The value, and each resample's, is the mean over draws; the confusion is the first draw's.

    Args:
        asked: the rows' head.
        draws: answers whose columns are `asked.classes`.
        resamples: of the bootstrap.
    """
    scores = [np.concatenate([answer.scores for answer in folds]) for folds in draws]
    value = float(np.mean([asked.metric.value(found, asked.targets) for found in scores]))
    resampled = _resample(asked, scores, resamples)
    answers = [answer for folds in draws for answer in folds]
    # Confusions do not say of how many shots they are, so they are of the full fit alone.
    confusion = _confusion(asked, scores[0]) if asked.one_answer and not asked.shots else ()
    return _outcome(asked, value, resampled, answers, OK, confusion)


def _resample(
    asked: Asked, scores: Sequence[Float64[np.ndarray, "clips classes"]], resamples: int
) -> Float64[np.ndarray, " resamples"]:
    # Equal (seed, task) draw equal resamples for every encoder and probe: differences are paired.
    rng = np.random.default_rng((asked.seed, *asked.task.encode()))
    measure = asked.metric.measure
    means = [
        np.mean([measure(found, asked.targets, weights) for found in scores], axis=0)
        for weights in resample_weights(asked.recordings, resamples, rng)
    ]
    return np.concatenate(means)


def _confusion(asked: Asked, scores: Float64[np.ndarray, "clips classes"]) -> tuple[Confusion, ...]:
    pairs = zip(asked.targets.argmax(axis=1), scores.argmax(axis=1), strict=True)
    counts = Counter((int(truth), int(predicted)) for truth, predicted in pairs)
    return tuple(
        Confusion(
            task=asked.task,
            encoder=asked.encoder,
            probe=asked.probe,
            truth=asked.classes[truth],
            predicted=asked.classes[predicted],
            clips=clips,
        )
        for (truth, predicted), clips in sorted(counts.items())
    )


def _outcome(
    asked: Asked,
    value: float,
    resampled: Float64[np.ndarray, " resamples"],
    answers: Sequence[Answer],
    status: str,
    confusion: tuple[Confusion, ...] = (),
) -> Outcome:
    low, high = percentile_interval(resampled)
    train = _mean_clips([answer.train_clips for answer in answers], asked.train)
    validation = _mean_clips([answer.validation_clips for answer in answers], asked.validation)
    score = Score(
        task=asked.task,
        encoder=asked.encoder,
        metric=asked.metric.name,
        value=value,
        low=low,
        high=high,
        chance=asked.metric.chance(asked.targets) if asked.targets.any() else NAN,
        train=train,
        test=len(asked.targets),
        classes=len(asked.classes),
        seed=asked.seed,
        status=status,
        probe=asked.probe,
        shots=asked.shots,
    )
    fit = Fit(
        task=asked.task,
        encoder=asked.encoder,
        chosen=_chosen(answers),
        validation=float(np.mean([a.validation for a in answers])) if answers else NAN,
        train_clips=train,
        validation_clips=validation,
        test_clips=len(asked.targets),
        left_out=asked.left_out,
        probe=asked.probe,
        shots=asked.shots,
    )
    return Outcome(score, fit, resampled, confusion)


def _mean_clips(counts: Sequence[int], otherwise: int) -> int:
    return round(sum(counts) / len(counts)) if counts else otherwise


def _chosen(answers: Sequence[Answer]) -> str:
    """Return what was chosen, most frequent first: "C = 0.1", or "C = 0.1 (4 of 5), ..."."""
    counts = Counter(answer.chosen for answer in answers)
    if len(counts) < 2:
        return "".join(counts)
    total = len(answers)
    return ", ".join(f"{chosen} ({count} of {total})" for chosen, count in counts.most_common())
