"""Weighted k-nearest-neighbor probe: what features separate without any fitting.

As in DINO (Caron et al. 2021, arXiv 2104.14294, appendix F.1; after Wu et al. 2018, arXiv
1805.01978): the k train clips with the highest cosine vote, each with weight exp(cosine / 0.07).
Features are standardized by train's mean and deviation first; otherwise the mean that all clips
share dominates the cosine. k is the one with the best metric on validation, of equals the smallest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64

from earmark.evaluate.base import FrozenEncoder
from earmark.evaluate.metrics import get_metric
from earmark.evaluate.probes.base import (
    Prediction,
    Probe,
    ProbeData,
    Standardizer,
    fit_standardizer,
    pooled_features,
)

NEIGHBOR_COUNTS = (1, 5, 10, 20, 50)
TEMPERATURE = 0.07
COSINES_PER_BLOCK = 16_000_000
"""Clips times train clips compared at a time: 64 MB."""


class KnnProbe(Probe):
    """Weighted nearest neighbours on the mean over time; a clip may have several classes."""

    name = "knn"

    def answers(
        self, encoder: FrozenEncoder, question: ProbeData, *, seed: int
    ) -> Sequence[Prediction]:
        """Return one answer: nothing here depends on `seed`."""
        features = pooled_features(encoder, question)
        scaling = fit_standardizer(features.train)
        train, targets = _unit_vectors(features.train, scaling), question.train.targets
        counts = sorted({min(k, len(train)) for k in NEIGHBOR_COUNTS})
        votes = knn_vote(_unit_vectors(features.validation, scaling), train, targets, counts)
        metric = get_metric(question.metric)
        values = [metric.value(share, question.validation.targets) for share in votes]
        best = int(np.argmax(values))
        [scores] = knn_vote(_unit_vectors(features.test, scaling), train, targets, [counts[best]])
        return [
            Prediction(
                scores=scores,
                chosen=f"k = {counts[best]}",
                validation=values[best],
                train_clips=len(train),
                validation_clips=len(question.validation.examples),
            )
        ]


def knn_vote(
    asked: Float32[np.ndarray, "clips dim"],
    train: Float32[np.ndarray, "train dim"],
    targets: Bool[np.ndarray, "train classes"],
    counts: Sequence[int],
) -> list[Float64[np.ndarray, "clips classes"]]:
    """Return for each count k the share of the votes that each class has, 0 to 1.

    Args:
        asked: unit vectors of the clips in question.
        train: unit vectors of the clips that vote.
        targets: the classes of those.
        counts: numbers of neighbours, ascending, at most as many as `train` has.
    """
    shares = [np.zeros((len(asked), targets.shape[1])) for _ in counts]
    step = max(COSINES_PER_BLOCK // len(train), 1)
    for start in range(0, len(asked), step):
        cosines = asked[start : start + step] @ train.T
        nearest = _top_columns(cosines, counts[-1])
        weights = np.exp(
            np.take_along_axis(cosines, nearest, axis=1).astype(np.float64) / TEMPERATURE
        )
        for share, count in zip(shares, counts, strict=True):
            weight = weights[:, :count] / weights[:, :count].sum(axis=1, keepdims=True)
            for place in range(count):
                share[start : start + step] += weight[:, [place]] * targets[nearest[:, place]]
    return shares


def _top_columns(cosines: Float32[np.ndarray, "clips train"], count: int) -> np.ndarray:
    """Return the columns of the `count` highest values of each row, highest first."""
    some = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(cosines, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


def _unit_vectors(
    features: Float32[np.ndarray, "clips dim"], scaling: Standardizer
) -> Float32[np.ndarray, "clips dim"]:
    """Return unit vectors; a clip that is just the mean has none, and a cosine of 0 with all."""
    scaled = scaling(features)
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    return (scaled / np.where(length > 0, length, 1.0)).astype(np.float32)
