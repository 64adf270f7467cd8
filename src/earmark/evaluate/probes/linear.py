"""Linear probes on frozen, mean-pooled features, on all clips of train or on a few a class.

This is the main protocol of arXiv 2603.25767. Features are standardized by train's mean and
deviation. A logistic regression (multinomial where a clip has one class, else one regression a
class against the rest) is fitted on train for each C of the grid; the one with the best metric on
validation is kept, and of several with an equal metric the one under which validation's labels are
likeliest. As in HEAR (Turian et al. 2022, arXiv 2203.03022) that probe is scored as it is, not
fitted again with validation's clips.

For n shots, n clips of each class are drawn from train and n from validation: C is chosen on those
alone, and the scaling is theirs, so that nothing else of either split is used. The test clips are
all. A class with fewer than n clips gives what it has; a class with none in validation is absent
there. The clips of a class come from different recordings as far as there are enough. A draw
depends on the seed and the clips, not on the encoder, and its n clips are among its n + 1: curves
and encoders are compared on the same draws.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from earmark.evaluate.base import FrozenEncoder
from earmark.evaluate.config import EvaluateConfig
from earmark.evaluate.metrics import MetricName, get_metric
from earmark.evaluate.probes.base import (
    NOT_CONVERGED,
    PooledFeatures,
    Prediction,
    Probe,
    ProbeData,
    ProbeError,
    Standardizer,
    fit_standardizer,
    pooled_features,
)
from earmark.evaluate.splits import Split

SINGLE_THREAD_SIZE = 1_000_000_000
"""Clips x dim x classes below which threads cost the solver more time than they save."""


@dataclass(frozen=True)
class LogisticModel:
    """A fitted regression: standardise, then one logit a class."""

    scaling: Standardizer
    weight: Float64[np.ndarray, "dim classes"]
    bias: Float64[np.ndarray, " classes"]

    def scores(
        self, features: Float32[np.ndarray, "clips dim"]
    ) -> Float64[np.ndarray, "clips classes"]:
        """Return the logit of each class."""
        return self.scaling(features) @ self.weight + self.bias


def log_likelihood(
    scores: Float64[np.ndarray, "clips classes"],
    targets: Bool[np.ndarray, "clips classes"],
    one_vs_rest: bool,
) -> float:
    """Return the mean log-probability (nats, at most 0) that logits give to what is true.

    Under `one_vs_rest` each class of each clip is an event of its own, else each clip is one.
    """
    if one_vs_rest:
        return -float(np.logaddexp(0, np.where(targets, -scores, scores)).mean())
    highest = scores.max(axis=1)
    total = highest + np.log(np.exp(scores - highest[:, None]).sum(axis=1))
    return float((scores[targets] - total).mean())


def fit_regularization_path(
    features: Float32[np.ndarray, "clips dim"],
    targets: Bool[np.ndarray, "clips classes"],
    one_vs_rest: bool,
    config: EvaluateConfig,
) -> list[tuple[float, LogisticModel]]:
    """Return (C, model) from the strongest regularization to the weakest.

    Each fit starts from the one before. A C at which the solver does not converge is left out.

    Args:
        features: finite.
        targets: one class a clip, or any number of them under `one_vs_rest`; each class is true
            of some clips and false of others.
        one_vs_rest: fit each class against all others, alone.
        config: the grid and the iterations that the solver may take.
    """
    scaling = fit_standardizer(features)
    inputs = scaling(features)
    count = targets.shape[1] if one_vs_rest else 1
    models = [_solver(config.max_iterations) for _ in range(count)]
    answers = list(targets.T) if one_vs_rest else [targets.argmax(axis=1)]
    path: list[tuple[float, LogisticModel]] = []
    with _limit_threads(inputs.size * targets.shape[1]):
        for c in sorted(config.regularization):
            fits = zip(models, answers, strict=True)
            if all(_converges(model.set_params(C=c), inputs, answer) for model, answer in fits):
                path.append((c, LogisticModel(scaling, *_stack_coefficients(models, one_vs_rest))))
    return path


def _solver(max_iterations: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=max_iterations, warm_start=True)


def _converges(model: Any, inputs: np.ndarray, answer: np.ndarray) -> bool:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        # A few clips a class are what few-shot curves ask for.
        warnings.filterwarnings("ignore", "The number of unique classes is greater", UserWarning)
        try:
            model.fit(inputs, answer)
        except ConvergenceWarning:
            return False
    return True


def _stack_coefficients(
    models: Sequence[Any], one_vs_rest: bool
) -> tuple[Float64[np.ndarray, "dim classes"], Float64[np.ndarray, " classes"]]:
    """Return the weight and bias of one logit a class."""
    weight = np.concatenate([model.coef_ for model in models])
    bias = np.concatenate([model.intercept_ for model in models])
    if not one_vs_rest and len(weight) == 1:
        # Of two classes scikit-learn keeps one logit: that of the second against the first.
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight.T, bias


def _limit_threads(size: int) -> AbstractContextManager[Any]:
    """Hold BLAS to one thread on a small problem (measured: 25 times faster on two cores)."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1) if size < SINGLE_THREAD_SIZE else nullcontext()


class LinearProbe(Probe):
    """A logistic regression on the mean over time.

    Args:
        config: grid and solver.
    """

    name = "linear"

    def __init__(self, config: EvaluateConfig) -> None:
        self.config = config

    def answers(
        self, encoder: FrozenEncoder, question: ProbeData, *, seed: int
    ) -> Sequence[Prediction]:
        """Return one answer: nothing here depends on `seed`."""
        features = pooled_features(encoder, question)
        train, validation = question.train, question.validation
        return [fit_linear_probe(features, train, validation, question.metric, self.config)]


def fit_linear_probe(
    features: PooledFeatures,
    train: Split,
    validation: Split,
    metric: MetricName,
    config: EvaluateConfig,
) -> Prediction:
    """Fit on train for each C, keep the C that validation prefers, and score the test clips.

    Raises:
        ProbeError: the solver converged under no C.
    """
    one_vs_rest = metric == "map"
    measure = get_metric(metric)
    best, chosen = (-np.inf, -np.inf), None
    for c, model in fit_regularization_path(features.train, train.targets, one_vs_rest, config):
        scores = model.scores(features.validation)
        value = measure.value(scores, validation.targets)
        likelihood = log_likelihood(scores, validation.targets, one_vs_rest)
        if chosen is None or (value, likelihood) > best:
            best, chosen = (value, likelihood), (c, model)
    if chosen is None:
        raise ProbeError(NOT_CONVERGED)
    c, model = chosen
    return Prediction(
        scores=model.scores(features.test),
        chosen=f"C = {c:g}",
        validation=best[0],
        train_clips=len(train.examples),
        validation_clips=len(validation.examples),
    )


class FewShotProbe(Probe):
    """A linear probe on `shots` clips a class.

    Args:
        shots: clips a class.
        config: grid, solver, and how many draws.
    """

    name = "linear"

    def __init__(self, shots: int, config: EvaluateConfig) -> None:
        self.shots = shots
        self.config = config

    def answers(
        self, encoder: FrozenEncoder, question: ProbeData, *, seed: int
    ) -> Sequence[Prediction]:
        """Return one answer a draw of clips."""
        features = pooled_features(encoder, question)
        return [
            self._answer(features, question, np.random.default_rng((seed, draw)))
            for draw in range(self.config.repeats)
        ]

    def _answer(
        self, features: PooledFeatures, question: ProbeData, rng: np.random.Generator
    ) -> Prediction:
        several = question.one_vs_rest
        train = draw_shots(question.train, self.shots, several, rng)
        validation = draw_shots(question.validation, self.shots, several, rng)
        return fit_linear_probe(
            PooledFeatures(features.train[train], features.validation[validation], features.test),
            _select_rows(question.train, train),
            _select_rows(question.validation, validation),
            question.metric,
            self.config,
        )


def draw_shots(
    part: Split, shots: int, several: bool, rng: np.random.Generator
) -> Int64[np.ndarray, " drawn"]:
    """Return the rows of `shots` clips a class, or as many as it has, in ascending order.

    Where a clip may have `several` classes, drawing goes on until `shots` of the drawn have each
    class, and `shots` of them lack it: a class needs both to be learnt.
    """
    order = _order_by_recording(part.recordings(), rng)
    wanted = [*part.targets.T, *(~part.targets.T if several else ())]
    drawn = np.zeros(len(part.examples), dtype=bool)
    for belongs in wanted:
        missing = shots - int((belongs & drawn).sum())
        drawn[order[(belongs & ~drawn)[order]][: max(missing, 0)]] = True
    return np.flatnonzero(drawn)


def _order_by_recording(
    recordings: Sequence[str], rng: np.random.Generator
) -> Int64[np.ndarray, " clips"]:
    """Return clips in random order: one of each recording, then a second of each, and so on."""
    shuffled = rng.permutation(len(recordings))
    seen: Counter[str] = Counter()
    turn = np.zeros(len(recordings), dtype=np.int64)
    for place, row in enumerate(map(int, shuffled)):
        turn[place] = seen[recordings[row]]
        seen[recordings[row]] += 1
    return shuffled[np.argsort(turn, kind="stable")]


def _select_rows(part: Split, rows: Int64[np.ndarray, " drawn"]) -> Split:
    return Split(tuple(part.examples[row] for row in rows), part.targets[rows])
