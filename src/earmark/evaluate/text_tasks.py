"""Scores of tasks on texts, with what is alike in all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float64

from earmark.bootstrap import bootstrapped, clips_digest, percentile_interval
from earmark.evaluate.base import NAN, OK, Fit, Outcome
from earmark.evaluate.language.texts import Sides, Told
from earmark.records import Score

Resampling = Callable[
    [Callable[[Float64[np.ndarray, "_ clips"]], Float64[np.ndarray, "metrics _"]]],
    Float64[np.ndarray, "metrics resamples"],
]
"""What makes of metrics of weighted clips their values on all resamples, a block at a time."""


@dataclass(frozen=True)
class Measured:
    """A metric's value, what chance would give, and its values on resamples.

    `candidates` is how many there were to choose from, 0 where nothing is chosen.
    """

    metric: str
    value: float
    chance: float
    candidates: int
    resampled: Float64[np.ndarray, " resamples"]


@dataclass(frozen=True)
class Teller:
    """Makes outcomes of what was measured: of which task, how asked, of whom.

    `lower_is_better` names the metrics of which a smaller value is the better one.
    """

    task: str
    probe: str
    encoder: str
    seed: int
    sides: Sides
    fitted: bool
    lower_is_better: frozenset[str] = frozenset()

    def outcome(self, found: Measured, *, chosen: str = "", validation: float = NAN) -> Outcome:
        """Return a metric's outcome; `chosen` and `validation` as of `Fit`."""
        return self._outcome(found, OK, chosen, validation)

    def failed(self, metrics: Iterable[str], status: str) -> list[Outcome]:
        """Return for each metric an outcome without a value."""
        return [
            self._outcome(Measured(metric, NAN, NAN, 0, np.zeros(0)), status, "", NAN)
            for metric in metrics
        ]

    def _outcome(self, found: Measured, status: str, chosen: str, validation: float) -> Outcome:
        low, high = percentile_interval(found.resampled)
        train = len(self.sides.train.examples) if self.fitted else 0
        score = Score(
            task=self.task,
            encoder=self.encoder,
            metric=found.metric,
            value=found.value,
            low=low,
            high=high,
            chance=found.chance,
            train=train,
            test=len(self.sides.test.examples),
            classes=found.candidates,
            seed=self.seed,
            status=status,
            probe=self.probe,
            clips=clips_digest(self.sides.test.examples, self.sides.test.texts),
            lower_is_better=found.metric in self.lower_is_better,
        )
        fit = Fit(
            task=self.task,
            encoder=self.encoder,
            chosen=chosen,
            validation=validation,
            train_clips=train,
            validation_clips=len(self.sides.validation.examples) if self.fitted else 0,
            test_clips=len(self.sides.test.examples),
            left_out=self.sides.left_out,
            probe=self.probe,
        )
        return Outcome(score, fit, found.resampled)


def resampling(task: str, told: Told, resamples: int, seed: int) -> Resampling:
    """Return the resamples of the test clips of a task: the same for every encoder."""
    return partial(
        bootstrapped, recordings=told.recordings(), task=task, seed=seed, resamples=resamples
    )
