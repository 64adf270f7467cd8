"""Question answering by a frozen language model with a trained adapter.

The adapter is trained on true answers of train; its step is chosen on validation questions.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from earmark.evaluate.base import FrozenEncoder, Outcome, Task
from earmark.evaluate.config import QuestionTaskConfig
from earmark.evaluate.qa.adapter import (
    AudioLanguageModel,
    ClipFrames,
    QuestionAnswer,
    init_adapter,
    read_clip_frames,
)
from earmark.evaluate.qa.language_model import LanguageModel, LazyLanguageModel
from earmark.evaluate.qa.multiple_choice import QaResult, QaScorer
from earmark.evaluate.qa.questions import LabelField, Question, make_questions
from earmark.evaluate.small_training import is_validation_step, learning_rate_scale
from earmark.pretrain.seeds import derive_seed, seeded_rng
from earmark.records import SPLITS, Example

BATCH_SIZE = 16
"""Questions a step."""

VALIDATION_CHECKS = 10
"""How often in a training validation is asked."""

MAX_VALIDATION_QUESTIONS = 256
"""Validation questions that are asked at each look, where there are more."""

MAX_GRADIENT_NORM = 1.0


@dataclass(frozen=True)
class TrainedAdapter:
    """A trained answerer: the `step` that validation chose, and its `accuracy` there."""

    answerer: AudioLanguageModel
    step: int
    accuracy: float


def train_adapter(
    train: Sequence[Question],
    validation: Sequence[Question],
    heard: ClipFrames,
    language: LanguageModel,
    config: QuestionTaskConfig,
    seed: int,
) -> TrainedAdapter | None:
    """Train an adapter by the cross-entropy of true answers; return it as of the best step.

    The best step has the highest accuracy on at most `MAX_VALIDATION_QUESTIONS` validation
    questions; of several the one under which their true answers are likeliest. On a CPU equal
    seeds give equal weights.

    Args:
        train: at least one question.
        validation: at least one.
        heard: the frames of both sides' clips (`read_clip_frames`).
        language: is not changed.
        config: steps, learning rate and frames a token.
        seed: of the weights, and of the order of questions.

    Returns:
        None where training went astray: a loss that is not finite.
    """
    adapter = init_adapter(
        {q.example.id: heard[q.example.id] for q in train},
        stack=config.stack,
        width=language.width,
        token_scale=language.token_scale,
        seed=derive_seed(seed, "adapter"),
    )
    answerer = AudioLanguageModel(adapter.to(language.device), language)
    asked = _sample_validation(validation, seed)
    best: tuple[tuple[float, float], int, dict[str, torch.Tensor]] | None = None
    step = 0
    for step in _train_steps(answerer, train, heard, config, seed):
        if is_validation_step(step - 1, config.steps, VALIDATION_CHECKS):
            found = _validate(answerer, asked, heard)
            if not math.isfinite(found[1]):
                return None
            if best is None or found > best[0]:
                best = found, step, copy.deepcopy(adapter.state_dict())
    if best is None or step < config.steps:
        return None
    adapter.load_state_dict(best[2])
    return TrainedAdapter(answerer, best[1], best[0][0])


def _train_steps(
    answerer: AudioLanguageModel,
    train: Sequence[Question],
    heard: ClipFrames,
    config: QuestionTaskConfig,
    seed: int,
) -> Iterator[int]:
    """Train; yield the number of each finished step, and end early where a loss is not finite."""
    optimizer = torch.optim.AdamW(answerer.adapter.parameters(), lr=config.lr, weight_decay=0.0)
    for step in range(1, config.steps + 1):
        batch = [
            QuestionAnswer(q.example.id, q.question, q.answer)
            for q in _sample_batch(train, step, seed)
        ]
        loss = -answerer.likelihoods(batch, heard).mean()
        if not bool(torch.isfinite(loss)):
            return
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(answerer.adapter.parameters(), MAX_GRADIENT_NORM)
        optimizer.param_groups[0]["lr"] = config.lr * learning_rate_scale(step - 1, config.steps)
        optimizer.step()
        yield step


def _sample_batch(train: Sequence[Question], step: int, seed: int) -> list[Question]:
    rng = seeded_rng(seed, "adapter batch", step)
    drawn = rng.choice(len(train), min(BATCH_SIZE, len(train)), replace=False)
    return [train[place] for place in drawn]


def _sample_validation(questions: Sequence[Question], seed: int) -> list[Question]:
    rng = seeded_rng(seed, "adapter validation")
    drawn = rng.permutation(len(questions))[:MAX_VALIDATION_QUESTIONS]
    return [questions[place] for place in sorted(drawn)]


def _validate(
    answerer: AudioLanguageModel, asked: Sequence[Question], heard: ClipFrames
) -> tuple[float, float]:
    """Return accuracy, and the mean log-likelihood of the true answers."""
    ratings = answerer.rate(asked, heard)
    places = [question.options.index(question.answer) for question in asked]
    right = [int(r.argmax()) == place for r, place in zip(ratings, places, strict=True)]
    true = [float(r[place]) for r, place in zip(ratings, places, strict=True)]
    return sum(right) / len(right), sum(true) / len(true)


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
        config: QuestionTaskConfig,
        fields: Sequence[LabelField],
        language: LazyLanguageModel,
        bootstrap: int,
    ) -> None:
        self.name = config.name
        self.config = config
        self.fields = tuple(fields)
        self.language = language
        self.scorer = QaScorer(config.name, "adapter", self.fields, bootstrap)

    def examples(self) -> Sequence[Example]:
        """Return the clips of all three sides; none where nothing can be asked."""
        if self._problem():
            return ()
        asked = [e for f in self.fields if not f.problem for side in SPLITS for e in f.clips[side]]
        return tuple({example.id: example for example in asked}.values())

    def evaluate(self, encoder: FrozenEncoder, *, seed: int) -> Sequence[Outcome]:
        """Train on train, choose the step on validation, answer test; `seed` is that of all."""
        return self.scorer.outcomes(encoder.name, self._answer(encoder, seed), seed)

    def _answer(self, encoder: FrozenEncoder, seed: int) -> QaResult:
        if problem := self._problem():
            return QaResult(status=problem)
        heard = read_clip_frames(encoder, self.examples())
        if heard is None:
            return QaResult(status="features not finite")
        train, validation, test = (self._questions(side, seed) for side in SPLITS)
        learnt = train_adapter(train, validation, heard, self.language.loaded, self.config, seed)
        if learnt is None:
            return QaResult(status="probe did not converge")
        chosen = learnt.answerer.choose(test, heard)
        return QaResult(
            questions=tuple(test),
            right=tuple(option == q.answer for option, q in zip(chosen, test, strict=True)),
            train=Counter(question.field for question in train),
            validation=Counter(question.field for question in validation),
            chosen=f"step {learnt.step}",
            accuracy_there=learnt.accuracy,
        )

    def _questions(self, split: str, seed: int) -> list[Question]:
        able = [field for field in self.fields if not field.problem]
        return [q for field in able for q in make_questions(field, split, self.config, seed)]

    def _problem(self) -> str:
        able = [field for field in self.fields if not field.problem]
        if not able:
            return "nothing to ask"
        return "" if any(field.clips["validation"] for field in able) else "no validation clips"
