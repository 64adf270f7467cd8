"""Multiple choice without training, and the scores of all multiple-choice tasks.

For encoders trained on texts, each option becomes a statement ("the sound of a flute"), and the
option nearest to the audio is the answer, as in zero-shot classification with CLIP (Radford et al.
2021, arXiv 2103.00020, section 3.1).

There is one score over all questions and one a field. The task of the first is the name in the
settings, that of a field "<name>: <field>"; the metric is always accuracy. Chance is what needs no
audio: one over the options, or, where that is more, the accuracy of answering each question by the
option most frequent in train.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from earmark.bootstrap import bootstrap_values, clips_digest, percentile_interval
from earmark.evaluate.base import NAN, OK, Fit, FrozenEncoder, JointSpace, Outcome, Task
from earmark.evaluate.config import QuestionTaskConfig
from earmark.evaluate.qa.questions import LabelField, Question, make_questions, statement_text
from earmark.records import Example, Score, recording_id

QA_METRIC = "accuracy"

NO_FIELDS = "no label field to ask of"


@dataclass(frozen=True)
class QaResult:
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
class QaScorer:
    """Turns answers of one probe into outcomes.

    Args:
        name: of the task in the settings.
        probe: "multiple-choice" or "adapter".
        fields: all that are asked of, whether they can be or not.
        bootstrap: resamples of the test recordings.
    """

    name: str
    probe: str
    fields: tuple[LabelField, ...]
    bootstrap: int

    def outcomes(self, encoder: str, answered: QaResult, seed: int) -> list[Outcome]:
        """Return the outcome over all questions, then one a field."""
        able = tuple(field for field in self.fields if not field.problem)
        status = answered.status if able else (_first_problem(self.fields) or answered.status)
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
        fields: tuple[LabelField, ...],
        answered: QaResult,
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
            metric=QA_METRIC,
            value=float(right.mean()) if scored else NAN,
            low=low,
            high=high,
            chance=chance_accuracy(questions, fields) if scored else NAN,
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
        return bootstrap_values(
            lambda weights: weights @ right / weights.sum(axis=1),
            [recording_id(question.example) for question in questions],
            task=title,
            seed=seed,
            resamples=self.bootstrap,
        )


def chance_accuracy(questions: Sequence[Question], fields: Sequence[LabelField]) -> float:
    """Return the accuracy, from 0 to 1, that needs no audio."""
    counts = {field.name: field.counts for field in fields}
    guessed = float(np.mean([1 / len(question.options) for question in questions]))
    # Of equally frequent options the first counts: they were shuffled.
    frequent = [max(q.options, key=counts[q.field].__getitem__) == q.answer for q in questions]
    return max(guessed, float(np.mean(frequent)))


def _first_problem(fields: Sequence[LabelField]) -> str:
    return fields[0].problem if fields else NO_FIELDS


class MultipleChoiceTask(Task):
    """Multiple choice in the space that an encoder shares with texts (probe "multiple-choice").

    Args:
        config: what is asked.
        fields: as `fields_of` found them; those with a problem become scores with a status.
        bootstrap: resamples of the test recordings.
    """

    def __init__(
        self, config: QuestionTaskConfig, fields: Sequence[LabelField], bootstrap: int
    ) -> None:
        self.name = config.name
        self.config = config
        self.fields = tuple(fields)
        self.scorer = QaScorer(config.name, "multiple-choice", self.fields, bootstrap)

    def examples(self) -> Sequence[Example]:
        """Return the test clips: nothing is fitted."""
        asked = [e for f in self.fields if not f.problem for e in f.clips["test"]]
        return tuple({example.id: example for example in asked}.values())

    def evaluate(self, encoder: FrozenEncoder, *, seed: int) -> Sequence[Outcome]:
        """Answer the test questions; `seed` is that of the options and of the bootstrap."""
        return self.scorer.outcomes(encoder.name, self._answer(encoder, seed), seed)

    def _answer(self, encoder: FrozenEncoder, seed: int) -> QaResult:
        able = [field for field in self.fields if not field.problem]
        questions = [q for field in able for q in make_questions(field, "test", self.config, seed)]
        if not questions:
            return QaResult()
        if encoder.aligned is None:
            return QaResult(status="has learnt no texts")
        chosen = self._nearest(encoder.aligned, questions)
        if chosen is None:
            return QaResult(status="features not finite")
        right = [option == q.answer for option, q in zip(chosen, questions, strict=True)]
        return QaResult(questions=tuple(questions), right=tuple(right))

    def _nearest(self, aligned: JointSpace, questions: Sequence[Question]) -> list[str] | None:
        """Return the nearest option of each question, None where vectors are not finite."""
        clips = list({q.example.id: q.example for q in questions}.values())
        said = {
            (q.field, o): statement_text(q.field, o, self.config)
            for q in questions
            for o in q.options
        }
        texts = list(dict.fromkeys(said.values()))
        audio, words = aligned.audio(clips), aligned.texts(texts)
        if not (np.isfinite(audio).all() and np.isfinite(words).all()):
            return None
        clip_at = {clip.id: place for place, clip in enumerate(clips)}
        text_at = {text: place for place, text in enumerate(texts)}
        chosen: list[str] = []
        for q in questions:
            rows = [text_at[said[q.field, option]] for option in q.options]
            chosen.append(q.options[int((words[rows] @ audio[clip_at[q.example.id]]).argmax())])
        return chosen
