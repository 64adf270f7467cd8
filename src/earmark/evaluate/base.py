"""The contract of a task: a frozen encoder in, scores and their resamples out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64

from earmark.records import Example, Row, Score

OK = "ok"
"""The status of a score that has a value."""

NAN = float("nan")


class Comparison(Row, frozen=True, kw_only=True):
    """How much higher `better` scores than `than` on the same test clips: 95 % paired bootstrap.

    `low` above 0 means clearly higher, `high` below 0 clearly lower: the wrong way round for a
    metric of which `Score.lower_is_better`. Both are NaN where there are too few test recordings
    for an interval: then nothing is clear. Where one of the two has no score, `status` says why and
    all numbers are NaN. `probe`, `shots` and `metric` are those of the scores.
    """

    task: str
    better: str
    than: str
    difference: float
    low: float
    high: float
    status: str = OK
    probe: str = "linear"
    shots: int = 0
    metric: str = ""


class Fit(Row, frozen=True, kw_only=True):
    """How a score came about: what was chosen, by which value, on how many clips.

    `chosen` names the setting that validation chose ("C = 0.1", "k = 5"), "" where there was
    nothing to choose; `validation` is the metric there, NaN where there is none. `left_out` clips
    have the label, but belong to a class with too few clips in train.
    """

    task: str
    encoder: str
    chosen: str
    validation: float
    train_clips: int
    validation_clips: int
    test_clips: int
    left_out: int
    probe: str = "linear"
    shots: int = 0


class Confusion(Row, frozen=True, kw_only=True):
    """Of the test clips that are `truth`, how many a probe took for `predicted`."""

    task: str
    encoder: str
    probe: str
    truth: str
    predicted: str
    clips: int


@dataclass(frozen=True)
class Outcome:
    """What a task found: `resampled` holds the score's value on each bootstrap resample.

    Resample i holds the same test clips for every encoder, so that differences are paired. It is
    empty where there is no value, and NaN where there are too few test recordings. `confusion` is
    empty but for one answer a clip.
    """

    score: Score
    fit: Fit
    resampled: Float64[np.ndarray, " resamples"]
    confusion: tuple[Confusion, ...] = ()


@dataclass(frozen=True)
class Frames:
    """The frames of clips, and a `mask` that is True where a frame is real."""

    values: Float32[np.ndarray, "clips frames dim"]
    mask: Bool[np.ndarray, "clips frames"]


class JointSpace(ABC):
    """A space that audio and texts share: unit vectors, alike where their dot product is high."""

    @abstractmethod
    def audio(self, examples: Sequence[Example]) -> Float32[np.ndarray, "clips space"]:
        """Return one unit vector a clip."""

    @abstractmethod
    def texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "texts space"]:
        """Return one unit vector a text."""


class FrozenEncoder(ABC):
    """An encoder as a task sees it: by `name`, and by what it makes of a clip.

    `aligned` is the space that it shares with texts, None for one that has learnt none.
    """

    name: str
    aligned: JointSpace | None = None

    @abstractmethod
    def pooled(self, examples: Sequence[Example]) -> Float32[np.ndarray, "clips dim"]:
        """Return the time-averaged last layer of each clip."""

    @abstractmethod
    def frames(self, examples: Sequence[Example]) -> Frames:
        """Return the last layer of each clip over time.

        A clip has at most `evaluate.max_frames` frames: of a longer one, neighbours are averaged
        in groups of nearly equal size. Values went through float16.
        """


class Task(ABC):
    """A question asked of frozen encoders. The test clips never influence what is fitted.

    `name` is the task's; several instances may share it that differ in `probe` and `shots`.
    `needs_frames` says that `evaluate` will ask for frames.
    """

    name: str
    needs_frames: bool = False

    @abstractmethod
    def examples(self) -> Sequence[Example]:
        """Return the clips whose features `evaluate` will ask for; none where it cannot run."""

    @abstractmethod
    def evaluate(self, encoder: FrozenEncoder, *, seed: int) -> Sequence[Outcome]:
        """Score `encoder`: one outcome a metric, equally many for every encoder.

        What makes a score impossible is a status of the score, not an error. Equal (seed, task)
        draw equal bootstrap resamples for every encoder.
        """
