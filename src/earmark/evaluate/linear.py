"""Linear probes on frozen, mean-pooled features, the main protocol of arXiv 2603.25767.

Features are standardised by train's mean and deviation. A logistic regression is fitted on train
for each C of the grid; the one with the best metric on validation is kept, and of several with an
equal metric the one under which validation's labels are likeliest. As in HEAR (Turian et al. 2022,
arXiv 2203.03022) that probe is scored as it is, not fitted again with validation's clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from earmark.evaluate.base import OK, Fit, FrozenEncoder, Outcome, Task
from earmark.evaluate.bootstrap import percentile_interval, resample_weights
from earmark.evaluate.config import EvaluateConfig
from earmark.evaluate.metrics import metric_named
from earmark.evaluate.partition import Partition
from earmark.evaluate.probe import Probe, fit_path, log_likelihood
from earmark.records import Example, Score

NAN = float("nan")


@dataclass(frozen=True)
class Choice:
    """A probe: its inverse strength `c`, and on validation its `metric` and log-likelihood."""

    probe: Probe
    c: float
    metric: float
    likelihood: float


class LinearProbe(Task):
    """A task that a linear probe answers.

    Args:
        name: of the task.
        partition: its clips.
        config: grid, solver and bootstrap.
    """

    def __init__(self, name: str, partition: Partition, config: EvaluateConfig) -> None:
        self.name = name
        self.partition = partition
        self.config = config
        self.metric = metric_named(partition.metric)

    def examples(self) -> Sequence[Example]:
        """Return the clips of all three sides; none where the partition has a problem."""
        if self.partition.problem:
            return ()
        sides = (self.partition.train, self.partition.validation, self.partition.test)
        return [example for side in sides for example in side.examples]

    def evaluate(self, encoder: FrozenEncoder, *, seed: int) -> Outcome:
        """Fit on train, choose C on validation, score on test; `seed` is the bootstrap's."""
        if self.partition.problem:
            return self._outcome(encoder, seed, status=self.partition.problem)
        train = encoder.pooled(self.partition.train.examples)
        validation = encoder.pooled(self.partition.validation.examples)
        test = encoder.pooled(self.partition.test.examples)
        if not all(np.isfinite(features).all() for features in (train, validation, test)):
            return self._outcome(encoder, seed, status="features not finite")
        choice = self._choose(train, validation)
        if choice is None:
            return self._outcome(encoder, seed, status="probe did not converge")
        scores = choice.probe.scores(test)
        value = self.metric.value(scores, self.partition.test.targets)
        resampled = self._resample(scores, seed)
        return self._outcome(encoder, seed, value=value, resampled=resampled, choice=choice)

    def _choose(
        self,
        train: Float32[np.ndarray, "train dim"],
        validation: Float32[np.ndarray, "validation dim"],
    ) -> Choice | None:
        sides = self.partition
        one_vs_rest = sides.metric == "map"
        choices: list[Choice] = []
        for c, probe in fit_path(train, sides.train.targets, one_vs_rest, self.config):
            scores = probe.scores(validation)
            metric = self.metric.value(scores, sides.validation.targets)
            likelihood = log_likelihood(scores, sides.validation.targets, one_vs_rest)
            choices.append(Choice(probe, c, metric, likelihood))
        return max(choices, key=lambda choice: (choice.metric, choice.likelihood), default=None)

    def _resample(
        self, scores: Float64[np.ndarray, "clips classes"], seed: int
    ) -> Float64[np.ndarray, " resamples"]:
        test = self.partition.test
        # Equal (seed, task) draw equal resamples for every encoder: differences are paired.
        rng = np.random.default_rng((seed, *self.name.encode()))
        blocks = resample_weights(test.recordings(), self.config.bootstrap, rng)
        return np.concatenate([self.metric.measure(scores, test.targets, b) for b in blocks])

    def _outcome(
        self,
        encoder: FrozenEncoder,
        seed: int,
        *,
        value: float = NAN,
        resampled: Float64[np.ndarray, " resamples"] | None = None,
        choice: Choice | None = None,
        status: str = OK,
    ) -> Outcome:
        parts = self.partition
        resampled = np.zeros(0) if resampled is None else resampled
        low, high = percentile_interval(resampled)
        score = Score(
            task=self.name,
            encoder=encoder.name,
            metric=self.metric.name,
            value=value,
            low=low,
            high=high,
            chance=self.metric.chance(parts.test.targets) if parts.test.targets.any() else NAN,
            train=len(parts.train.examples),
            test=len(parts.test.examples),
            classes=len(parts.classes),
            seed=seed,
            status=status,
        )
        fit = Fit(
            task=self.name,
            encoder=encoder.name,
            regularisation=choice.c if choice else NAN,
            validation=choice.metric if choice else NAN,
            train_clips=len(parts.train.examples),
            validation_clips=len(parts.validation.examples),
            test_clips=len(parts.test.examples),
            left_out=parts.left_out,
        )
        return Outcome(score, fit, resampled)
