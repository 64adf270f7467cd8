"""Scores of tasks on texts, with what is alike in all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from earmark.evaluate.base import NAN, OK, Fit, Outcome
from earmark.evaluate.bootstrap import percentile_interval, resample_weights
from earmark.evaluate.language.texts import Sides, Told
from earmark.records import Score


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
    """Makes outcomes of what was measured: of which task, how asked, of whom."""

    task: str
    probe: str
    encoder: str
    seed: int
    sides: Sides
    fitted: bool

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


def weights_of(
    task: str, told: Told, resamples: int, seed: int
) -> list[Float64[np.ndarray, "some clips"]]:
    """Return how often each clip is in each resample, in blocks.

    Equal (seed, task) draw equal resamples for every encoder: differences are paired.
    """
    rng = np.random.default_rng((seed, *task.encode()))
    return list(resample_weights(told.recordings(), resamples, rng))
