"""Linear probes on frozen, mean-pooled features, the main protocol of arXiv 2603.25767.

Features are standardised by train's mean and deviation. A logistic regression is fitted on train
for each C of the grid; the one with the best metric on validation is kept, and of several with an
equal metric the one under which validation's labels are likeliest. As in HEAR (Turian et al. 2022,
arXiv 2203.03022) that probe is scored as it is, not fitted again with validation's clips.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earmark.evaluate.base import FrozenEncoder
from earmark.evaluate.config import EvaluateConfig
from earmark.evaluate.metrics import MetricName, metric_named
from earmark.evaluate.probes.base import (
    NOT_CONVERGED,
    Answer,
    Pooled,
    Probe,
    ProbeError,
    Question,
    pooled_features,
)
from earmark.evaluate.probes.logistic import fit_path, log_likelihood
from earmark.evaluate.splits import Part


class LinearProbe(Probe):
    """A logistic regression on the mean over time.

    Args:
        config: grid and solver.
    """

    name = "linear"

    def __init__(self, config: EvaluateConfig) -> None:
        self.config = config

    def answers(self, encoder: FrozenEncoder, question: Question, *, seed: int) -> Sequence[Answer]:
        """Return one answer: nothing here depends on `seed`."""
        features = pooled_features(encoder, question)
        train, validation = question.train, question.validation
        return [answer(features, train, validation, question.metric, self.config)]


def answer(
    features: Pooled, train: Part, validation: Part, metric: MetricName, config: EvaluateConfig
) -> Answer:
    """Fit on train for each C, keep the C that validation prefers, and score the test clips.

    Raises:
        ProbeError: the solver converged under no C.
    """
    one_vs_rest = metric == "map"
    measure = metric_named(metric)
    best, chosen = (-np.inf, -np.inf), None
    for c, model in fit_path(features.train, train.targets, one_vs_rest, config):
        scores = model.scores(features.validation)
        value = measure.value(scores, validation.targets)
        likelihood = log_likelihood(scores, validation.targets, one_vs_rest)
        if chosen is None or (value, likelihood) > best:
            best, chosen = (value, likelihood), (c, model)
    if chosen is None:
        raise ProbeError(NOT_CONVERGED)
    c, model = chosen
    return Answer(
        scores=model.scores(features.test),
        chosen=f"C = {c:g}",
        validation=best[0],
        train_clips=len(train.examples),
        validation_clips=len(validation.examples),
    )
