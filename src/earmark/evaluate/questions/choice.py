"""The option that lies nearest to the audio, for encoders that have learnt texts.

Each option becomes a statement ("the sound of a flute"), as in zero-shot classification with CLIP
(Radford et al. 2021, arXiv 2103.00020, section 3.1). Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earmark.evaluate.base import Aligned, FrozenEncoder, Outcome, Task
from earmark.evaluate.config import QuestionsConfig
from earmark.evaluate.qa.multiple_choice import Answered, Scorer
from earmark.evaluate.qa.questions import Field, Question, questions_of
from earmark.evaluate.questions.wording import statement_of
from earmark.records import Example


class ChoiceTask(Task):
    """Multiple choice in the space that an encoder shares with texts (probe "choice").

    Args:
        config: what is asked.
        fields: as `fields_of` found them; those with a problem become scores with a status.
        bootstrap: resamples of the test recordings.
    """

    def __init__(self, config: QuestionsConfig, fields: Sequence[Field], bootstrap: int) -> None:
        self.name = config.name
        self.config = config
        self.fields = tuple(fields)
        self.scorer = Scorer(config.name, "choice", self.fields, bootstrap)

    def examples(self) -> Sequence[Example]:
        """Return the test clips: nothing is fitted."""
        asked = [e for f in self.fields if not f.problem for e in f.clips["test"]]
        return tuple({example.id: example for example in asked}.values())

    def evaluate(self, encoder: FrozenEncoder, *, seed: int) -> Sequence[Outcome]:
        """Answer the test questions; `seed` is that of the options and of the bootstrap."""
        return self.scorer.outcomes(encoder.name, self._answer(encoder, seed), seed)

    def _answer(self, encoder: FrozenEncoder, seed: int) -> Answered:
        able = [field for field in self.fields if not field.problem]
        questions = [q for field in able for q in questions_of(field, "test", self.config, seed)]
        if not questions:
            return Answered()
        if encoder.aligned is None:
            return Answered(status="has learnt no texts")
        chosen = self._nearest(encoder.aligned, questions)
        if chosen is None:
            return Answered(status="features not finite")
        right = [option == q.answer for option, q in zip(chosen, questions, strict=True)]
        return Answered(questions=tuple(questions), right=tuple(right))

    def _nearest(self, aligned: Aligned, questions: Sequence[Question]) -> list[str] | None:
        """Return the nearest option of each question, None where vectors are not finite."""
        clips = list({q.example.id: q.example for q in questions}.values())
        said = {
            (q.field, o): statement_of(q.field, o, self.config)
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
