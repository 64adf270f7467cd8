"""The contract of a probe: a small classifier that is fitted on frozen features.

A probe never sees the labels of the test clips, so it cannot choose by them. `Standardizer` brings
features to the scale of the train split.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from earmark.evaluate.base import FrozenEncoder
from earmark.evaluate.metrics import MetricName
from earmark.evaluate.splits import Split, TaskSplits
from earmark.records import Example


@dataclass(frozen=True)
class Standardizer:
    """Subtract `mean`, divide by `deviation`: that of a constant feature is 1."""

    mean: Float64[np.ndarray, " dim"]
    deviation: Float64[np.ndarray, " dim"]

    def __call__(
        self, features: Float32[np.ndarray, "clips dim"]
    ) -> Float64[np.ndarray, "clips dim"]:
        """Return the features on the scale."""
        return (features - self.mean) / self.deviation


def fit_standardizer(features: Float32[np.ndarray, "clips dim"]) -> Standardizer:
    """Return the scaling under which these features have mean 0 and deviation 1."""
    mean = features.mean(axis=0, dtype=np.float64)
    deviation = features.std(axis=0, dtype=np.float64)
    # Rounding gives even a constant a deviation, of about one unit in its last place.
    deviation[deviation <= 1e-7 * np.abs(mean)] = 1.0
    return Standardizer(mean, deviation)


NOT_FINITE = "features not finite"

NOT_CONVERGED = "probe did not converge"


class ProbeError(Exception):
    """Why a probe has no answer; becomes the status of its score."""


@dataclass(frozen=True)
class ProbeData:
    """What a probe sees of a partition: all but the labels of the test clips."""

    train: Split
    validation: Split
    test: Sequence[Example]
    metric: MetricName

    @property
    def one_vs_rest(self) -> bool:
        """Whether a clip may have several classes, or none."""
        return self.metric == "map"


@dataclass(frozen=True)
class Prediction:
    """The scores of the test clips, higher for a likelier class, and how they came about.

    `chosen` names the setting with the best metric on validation, and `validation` is that metric.
    `train_clips` and `validation_clips` are how many clips were looked at.
    """

    scores: Float64[np.ndarray, "clips classes"]
    chosen: str
    validation: float
    train_clips: int
    validation_clips: int


class Probe(ABC):
    """A way to ask frozen features which classes a clip has.

    `name` and `shots` are those of the scores; `shots` is 0 where all clips of train are used.
    `needs_frames` tells whether it looks at the frames of clips, not at their mean alone.
    """

    name: str
    shots: int = 0
    needs_frames: bool = False

    @abstractmethod
    def answers(
        self, encoder: FrozenEncoder, question: ProbeData, *, seed: int
    ) -> Sequence[Prediction]:
        """Fit on train, choose on validation, and score the test clips.

        Returns one answer for each draw of what depends on `seed`, equally many for every question.

        Raises:
            ProbeError: there is no answer; the message says why.
        """


@dataclass(frozen=True)
class PooledFeatures:
    """The mean-pooled features of the three sides."""

    train: Float32[np.ndarray, "train dim"]
    validation: Float32[np.ndarray, "validation dim"]
    test: Float32[np.ndarray, "test dim"]


def pooled_features(encoder: FrozenEncoder, question: ProbeData) -> PooledFeatures:
    """Return the features of all sides.

    Raises:
        ProbeError: some are not finite.
    """
    sides = PooledFeatures(
        encoder.pooled(question.train.examples),
        encoder.pooled(question.validation.examples),
        encoder.pooled(question.test),
    )
    if not all(np.isfinite(side).all() for side in (sides.train, sides.validation, sides.test)):
        raise ProbeError(NOT_FINITE)
    return sides


def probe_data(parts: TaskSplits) -> ProbeData:
    """Return a partition without the labels of its test clips."""
    return ProbeData(parts.train, parts.validation, parts.test.examples, parts.metric)
