"""What retrieval and captioning share.

These are the clips of each split with their texts, and the rows of their scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from earmark.bootstrap import bootstrap_values, clips_digest, percentile_interval
from earmark.evaluate.base import NAN, OK, Fit, Outcome
from earmark.evaluate.config import TextSource
from earmark.evaluate.splits import matches
from earmark.pretrain.objectives.targets import example_texts as texts_of
from earmark.records import Example, Score, recording_id


@dataclass(frozen=True)
class CaptionedClips:
    """Clips of one side with their texts, at least one each."""

    examples: tuple[Example, ...]
    texts: tuple[tuple[str, ...], ...]

    def recordings(self) -> list[str]:
        """Return the recording of each clip."""
        return [recording_id(example) for example in self.examples]

    def distinct(self) -> tuple[str, ...]:
        """Return the different texts, sorted."""
        return tuple(sorted({text for own in self.texts for text in own}))

    def ownership(self, distinct: Sequence[str]) -> Bool[np.ndarray, "clips texts"]:
        """Return which of the `distinct` texts is a clip's own."""
        column = {text: place for place, text in enumerate(distinct)}
        own = np.zeros((len(self.examples), len(distinct)), dtype=bool)
        for row, texts in enumerate(self.texts):
            own[row, [column[text] for text in texts]] = True
        return own


class TextSplits(NamedTuple):
    """What is fitted on, selected on and scored on; `left_out` clips have no such text."""

    train: CaptionedClips
    validation: CaptionedClips
    test: CaptionedClips
    left_out: int

    def examples(self) -> tuple[Example, ...]:
        """Return the clips of all sides."""
        return (*self.train.examples, *self.validation.examples, *self.test.examples)

    def problem(self, *sides: str) -> str:
        """Return why a task that needs these sides cannot be measured, "" where it can."""
        told = {"train": self.train, "validation": self.validation, "test": self.test}
        for side in sides:
            distinct = len(told[side].distinct())
            if distinct == 0:
                return f"no {side} clips with a text"
            if len(told[side].examples) == 1:
                return f"one {side} clip with a text"
            if distinct == 1:
                return f"one text in {side}"
        return ""


def text_splits(
    examples: Sequence[Example], source: TextSource, where: Mapping[str, Sequence[str]]
) -> TextSplits:
    """Return the clips of a manifest that have texts, split as the manifest is.

    Args:
        examples: the manifest.
        source: which texts.
        where: keep only clips which have, in each of these label fields, one of these values.
    """
    chosen = [example for example in examples if matches(example.labels, where)]
    told = {
        side: _captioned_clips(chosen, side, source) for side in ("train", "validation", "test")
    }
    kept = sum(len(side.examples) for side in told.values())
    return TextSplits(told["train"], told["validation"], told["test"], len(chosen) - kept)


def _captioned_clips(chosen: Sequence[Example], side: str, source: TextSource) -> CaptionedClips:
    rows = [(example, texts_of(example, source)) for example in chosen if example.split == side]
    rows = [(example, texts) for example, texts in rows if texts]
    return CaptionedClips(tuple(example for example, _ in rows), tuple(texts for _, texts in rows))


Resampler = Callable[
    [Callable[[Float64[np.ndarray, "_ clips"]], Float64[np.ndarray, "metrics _"]]],
    Float64[np.ndarray, "metrics resamples"],
]
"""What makes of metrics of weighted clips their values on all resamples, a block at a time."""


@dataclass(frozen=True)
class MetricValue:
    """A metric's value, what chance would give, and its values on resamples.

    `candidates` is how many there were to choose from, 0 where nothing is chosen.
    """

    metric: str
    value: float
    chance: float
    candidates: int
    resampled: Float64[np.ndarray, " resamples"]


@dataclass(frozen=True)
class ResultBuilder:
    """Makes outcomes of what was measured: of which task, how asked, of whom.

    `lower_is_better` names the metrics of which a smaller value is the better one.
    """

    task: str
    probe: str
    encoder: str
    seed: int
    sides: TextSplits
    fitted: bool
    lower_is_better: frozenset[str] = frozenset()

    def outcome(self, found: MetricValue, *, chosen: str = "", validation: float = NAN) -> Outcome:
        """Return a metric's outcome; `chosen` and `validation` as of `Fit`."""
        return self._outcome(found, OK, chosen, validation)

    def failed(self, metrics: Iterable[str], status: str) -> list[Outcome]:
        """Return for each metric an outcome without a value."""
        return [
            self._outcome(MetricValue(metric, NAN, NAN, 0, np.zeros(0)), status, "", NAN)
            for metric in metrics
        ]

    def _outcome(self, found: MetricValue, status: str, chosen: str, validation: float) -> Outcome:
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


def make_resampler(task: str, told: CaptionedClips, resamples: int, seed: int) -> Resampler:
    """Return the resamples of the test clips of a task: the same for every encoder."""
    return partial(
        bootstrap_values, recordings=told.recordings(), task=task, seed=seed, resamples=resamples
    )
