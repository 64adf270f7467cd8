"""The contract of a task: a frozen encoder in, a score and its resamples out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from earmark.records import Example, Row, Score

OK = "ok"
"""The status of a score that has a value."""


class Comparison(Row, frozen=True, kw_only=True):
    """How much higher `better` scores than `than` on the same test clips: 95 % paired bootstrap.

    `low` above 0 means clearly better, `high` below 0 clearly worse. Where one of the two has no
    score, `status` says why and the numbers are NaN.
    """

    task: str
    better: str
    than: str
    difference: float
    low: float
    high: float
    status: str = OK


class Fit(Row, frozen=True, kw_only=True):
    """How a probe came about: what was chosen, by which value, on how many clips.

    `regularisation` is the inverse strength C, `validation` the metric on the validation clips
    that chose it; both are NaN where there is no probe. `left_out` clips have the label, but
    belong to a class with too few clips in train.
    """

    task: str
    encoder: str
    regularisation: float
    validation: float
    train_clips: int
    validation_clips: int
    test_clips: int
    left_out: int


@dataclass(frozen=True)
class Outcome:
    """What a task found: `resampled` holds the score's value on each bootstrap resample.

    Resample i holds the same test clips for every encoder, so that differences are paired. It is
    empty where there is no value.
    """

    score: Score
    fit: Fit
    resampled: Float64[np.ndarray, " resamples"]


class FrozenEncoder(ABC):
    """An encoder as a task sees it: by `name`, and by what it makes of a clip."""

    name: str

    @abstractmethod
    def pooled(self, examples: Sequence[Example]) -> Float32[np.ndarray, "clips dim"]:
        """Return the time-averaged last layer of each clip."""


class Task(ABC):
    """A question asked of frozen encoders. The test clips never influence what is fitted."""

    name: str

    @abstractmethod
    def examples(self) -> Sequence[Example]:
        """Return the clips whose features `evaluate` will ask for; none where it cannot run."""

    @abstractmethod
    def evaluate(self, encoder: FrozenEncoder, *, seed: int) -> Outcome:
        """Score `encoder`. What makes a score impossible is a status of the score, not an error."""
