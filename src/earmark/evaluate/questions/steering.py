"""Questions that a frozen language model answers, led by a frozen encoder's frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from earmark.evaluate.base import FrozenEncoder, Outcome, Task
from earmark.evaluate.config import QuestionsConfig
from earmark.evaluate.qa.adapter_task import learn_to_answer
from earmark.evaluate.qa.language_model import LanguageModelSource
from earmark.evaluate.qa.multiple_choice import Answered, Scorer
from earmark.evaluate.qa.questions import Field, Question, questions_of
from earmark.evaluate.questions.adapter import hear
from earmark.records import SPLITS, Example


class AdapterTask(Task):
    """Multiple choice by the likeliest option (probe "adapter"); no judge, and nothing is parsed.

    One adapter is trained for all fields together, on questions without their options, as in the
    open-form protocol of arXiv 2603.25767 (section 4). There a judge rates what is written; here
    the option counts whose tokens are likeliest on average.

    Args:
        config: what is asked, and how the adapter is trained.
        fields: as `fields_of` found them; those with a problem become scores with a status.
        language: the model.
        bootstrap: resamples of the test recordings.
    """

    needs_frames = True

    def __init__(
        self,
        config: QuestionsConfig,
        fields: Sequence[Field],
        language: LanguageModelSource,
        bootstrap: int,
    ) -> None:
        self.name = config.name
        self.config = config
        self.fields = tuple(fields)
        self.language = language
        self.scorer = Scorer(config.name, "adapter", self.fields, bootstrap)

    def examples(self) -> Sequence[Example]:
        """Return the clips of all three sides; none where nothing can be asked."""
        if self._problem():
            return ()
        asked = [e for f in self.fields if not f.problem for side in SPLITS for e in f.clips[side]]
        return tuple({example.id: example for example in asked}.values())

    def evaluate(self, encoder: FrozenEncoder, *, seed: int) -> Sequence[Outcome]:
        """Train on train, choose the step on validation, answer test; `seed` is that of all."""
        return self.scorer.outcomes(encoder.name, self._answer(encoder, seed), seed)

    def _answer(self, encoder: FrozenEncoder, seed: int) -> Answered:
        if problem := self._problem():
            return Answered(status=problem)
        heard = hear(encoder, self.examples())
        if heard is None:
            return Answered(status="features not finite")
        train, validation, test = (self._questions(side, seed) for side in SPLITS)
        learnt = learn_to_answer(train, validation, heard, self.language.loaded, self.config, seed)
        if learnt is None:
            return Answered(status="probe did not converge")
        chosen = learnt.answerer.choose(test, heard)
        return Answered(
            questions=tuple(test),
            right=tuple(option == q.answer for option, q in zip(chosen, test, strict=True)),
            train=Counter(question.field for question in train),
            validation=Counter(question.field for question in validation),
            chosen=f"step {learnt.step}",
            accuracy_there=learnt.accuracy,
        )

    def _questions(self, split: str, seed: int) -> list[Question]:
        able = [field for field in self.fields if not field.problem]
        return [q for field in able for q in questions_of(field, split, self.config, seed)]

    def _problem(self) -> str:
        able = [field for field in self.fields if not field.problem]
        if not able:
            return "nothing to ask"
        return "" if any(field.clips["validation"] for field in able) else "no validation clips"
