"""Scores of answers: one over all questions, and one a field.

The task of the first is the name in the settings, that of a field "<name>: <field>"; the metric is
always accuracy. Chance is what needs no audio: one over the options, or, where that is more, the
accuracy of answering each question by the option most frequent in train.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from earmark.bootstrap import bootstrapped, clips_digest, percentile_interval
from earmark.evaluate.base import NAN, OK, Fit, Outcome
from earmark.evaluate.qa.questions import Field, Question
from earmark.records import Score, recording_of

METRIC = "accuracy"
NOTHING_TO_ASK = "no label field to ask of"


@dataclass(frozen=True)
class Answered:
    """How a probe did: the test questions, and which were answered rightly.

    `status` says why there are no answers (both are then empty). `train` and `validation` count
    the questions that something was fitted on and chosen by; `chosen` and `accuracy_there` are as
    in `Fit`.
    """

    questions: tuple[Question, ...] = ()
    right: tuple[bool, ...] = ()
    train: Mapping[str, int] | None = None
    validation: Mapping[str, int] | None = None
    chosen: str = ""
    accuracy_there: float = NAN
    status: str = OK


@dataclass(frozen=True)
class Scorer:
    """Turns answers of one probe into outcomes.

    Args:
        name: of the task in the settings.
        probe: "choice" or "adapter".
        fields: all that are asked of, whether they can be or not.
        bootstrap: resamples of the test recordings.
    """

    name: str
    probe: str
    fields: tuple[Field, ...]
    bootstrap: int

    def outcomes(self, encoder: str, answered: Answered, seed: int) -> list[Outcome]:
        """Return the outcome over all questions, then one a field."""
        able = tuple(field for field in self.fields if not field.problem)
        status = answered.status if able else (_problem_of_all(self.fields) or answered.status)
        found = [self._outcome(encoder, self.name, able, answered, status, seed)]
        for field in self.fields:
            status = field.problem or answered.status
            title = f"{self.name}: {field.name}"
            found.append(self._outcome(encoder, title, (field,), answered, status, seed))
        return found

    def _outcome(
        self,
        encoder: str,
        title: str,
        fields: tuple[Field, ...],
        answered: Answered,
        status: str,
        seed: int,
    ) -> Outcome:
        names = {field.name for field in fields}
        places = [i for i, question in enumerate(answered.questions) if question.field in names]
        questions = [answered.questions[place] for place in places]
        right = np.array([answered.right[place] for place in places], dtype=bool)
        scored = status == OK
        resampled = self._resample(title, questions, right, seed) if scored else np.zeros(0)
        low, high = percentile_interval(resampled)
        train, validation = answered.train or {}, answered.validation or {}
        score = Score(
            task=title,
            encoder=encoder,
            probe=self.probe,
            metric=METRIC,
            value=float(right.mean()) if scored else NAN,
            low=low,
            high=high,
            chance=chance(questions, fields) if scored else NAN,
            train=sum(train.get(name, 0) for name in names),
            test=sum(len(field.clips["test"]) for field in fields),
            classes=sum(len(field.counts) for field in fields),
            seed=seed,
            status=status,
            clips=clips_digest(
                [q.example for q in questions], [(q.field, q.answer) for q in questions]
            ),
        )
        fit = Fit(
            task=title,
            encoder=encoder,
            probe=self.probe,
            chosen=answered.chosen,
            validation=answered.accuracy_there,
            train_clips=score.train,
            validation_clips=sum(validation.get(name, 0) for name in names),
            test_clips=score.test,
            left_out=sum(field.left_out for field in fields),
        )
        return Outcome(score, fit, resampled)

    def _resample(
        self, title: str, questions: Sequence[Question], right: Bool[np.ndarray, " q"], seed: int
    ) -> Float64[np.ndarray, " resamples"]:
        return bootstrapped(
            lambda weights: weights @ right / weights.sum(axis=1),
            [recording_of(question.example) for question in questions],
            task=title,
            seed=seed,
            resamples=self.bootstrap,
        )


def chance(questions: Sequence[Question], fields: Sequence[Field]) -> float:
    """Return the accuracy, from 0 to 1, that needs no audio."""
    counts = {field.name: field.counts for field in fields}
    guessed = float(np.mean([1 / len(question.options) for question in questions]))
    # Of equally frequent options the first counts: they were shuffled.
    frequent = [max(q.options, key=counts[q.field].__getitem__) == q.answer for q in questions]
    return max(guessed, float(np.mean(frequent)))


def _problem_of_all(fields: Sequence[Field]) -> str:
    return fields[0].problem if fields else NOTHING_TO_ASK
