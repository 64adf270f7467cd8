"""Logistic regression along a grid of strengths, on standardised features.

Multinomial where a clip has one class, one regression a class against the rest where it may have
several. Only fitting is here: which strength is best is decided by whoever holds other clips.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64

from earmark.evaluate.config import EvaluateConfig
from earmark.evaluate.probes.scaling import Scaling, scaling_of

SMALL = 1_000_000_000
"""Clips x dim x classes below which threads cost the solver more time than they save."""


@dataclass(frozen=True)
class LogisticModel:
    """A fitted regression: standardise, then one logit a class."""

    scaling: Scaling
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


def fit_path(
    features: Float32[np.ndarray, "clips dim"],
    targets: Bool[np.ndarray, "clips classes"],
    one_vs_rest: bool,
    config: EvaluateConfig,
) -> list[tuple[float, LogisticModel]]:
    """Return (C, model) from the strongest regularisation to the weakest.

    Each fit starts from the one before. A C at which the solver does not converge is left out.

    Args:
        features: finite.
        targets: one class a clip, or any number of them under `one_vs_rest`; each class is true
            of some clips and false of others.
        one_vs_rest: fit each class against all others, alone.
        config: the grid and the iterations that the solver may take.
    """
    scaling = scaling_of(features)
    inputs = scaling(features)
    count = targets.shape[1] if one_vs_rest else 1
    models = [_solver(config.max_iterations) for _ in range(count)]
    answers = list(targets.T) if one_vs_rest else [targets.argmax(axis=1)]
    path: list[tuple[float, LogisticModel]] = []
    with _threads(inputs.size * targets.shape[1]):
        for c in sorted(config.regularisation):
            fits = zip(models, answers, strict=True)
            if all(_converges(model.set_params(C=c), inputs, answer) for model, answer in fits):
                path.append((c, LogisticModel(scaling, *_logits(models, one_vs_rest))))
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


def _logits(
    models: Sequence[Any], one_vs_rest: bool
) -> tuple[Float64[np.ndarray, "dim classes"], Float64[np.ndarray, " classes"]]:
    """Return the weight and bias of one logit a class."""
    weight = np.concatenate([model.coef_ for model in models])
    bias = np.concatenate([model.intercept_ for model in models])
    if not one_vs_rest and len(weight) == 1:
        # Of two classes scikit-learn keeps one logit: that of the second against the first.
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight.T, bias


def _threads(size: int) -> AbstractContextManager[Any]:
    """Hold BLAS to one thread on a small problem (measured: 25 times faster on two cores)."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1) if size < SMALL else nullcontext()
