"""An adapter steers a frozen language model; nothing of the model changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
import torch

from earmark.config import ConfigError
from earmark.evaluate.base import Frames
from earmark.evaluate.config import EvaluateConfig, QuestionTaskConfig
from earmark.evaluate.qa.adapter import (
    Adapter,
    AudioLanguageModel,
    ClipFrames,
    QuestionAnswer,
    init_adapter,
    read_clip_frames,
)
from earmark.evaluate.qa.adapter_task import TrainedAdapter, train_adapter
from earmark.evaluate.qa.language_model import LanguageModel, load_language_model
from earmark.evaluate.qa.questions import Question, label_fields, make_questions
from earmark.evaluate.tasks import question_tasks
from earmark.records import SPLITS, Example
from precomputed import Precomputed

CONFIG = QuestionTaskConfig(steps=80, lr=1e-2, stack=4)
SHORT = msgspec.structs.replace(CONFIG, steps=3)
INSTRUMENT = "What is the instrument of this sound?"


class Lesson(NamedTuple):
    questions: dict[str, list[Question]]
    heard: ClipFrames
    language: LanguageModel
    before: dict[str, torch.Tensor]
    learnt: TrainedAdapter


def asked_of(examples: Sequence[Example]) -> dict[str, list[Question]]:
    fields = label_fields(examples, CONFIG)
    return {
        side: [q for f in fields for q in make_questions(f, side, CONFIG, 0)] for side in SPLITS
    }


def taught(
    questions: dict[str, list[Question]],
    heard: ClipFrames,
    language: LanguageModel,
    config: QuestionTaskConfig,
    seed: int = 0,
) -> TrainedAdapter:
    found = train_adapter(
        questions["train"], questions["validation"], heard, language, config, seed
    )
    assert found is not None
    return found


@pytest.fixture(scope="module")
def lesson(parrot: Path, band: list[Example], telling: Precomputed) -> Lesson:
    language = load_language_model(str(parrot), "cpu")
    before = {name: value.clone() for name, value in language.model.state_dict().items()}
    questions, heard = asked_of(band), read_clip_frames(telling, band)
    assert heard is not None
    learnt = taught(questions, heard, language, CONFIG)
    return Lesson(questions, heard, language, before, learnt)


def test_what_frames_hold_is_answered(lesson: Lesson) -> None:
    chosen = lesson.learnt.answerer.choose(lesson.questions["test"], lesson.heard)
    right = [q.answer == option for q, option in zip(lesson.questions["test"], chosen, strict=True)]
    assert np.mean(right) > 0.95
    assert lesson.learnt.accuracy > 0.95


def test_the_language_model_stays_as_it_was(lesson: Lesson) -> None:
    after = lesson.language.model.state_dict()
    assert after.keys() == lesson.before.keys()
    for name, value in lesson.before.items():
        assert torch.equal(after[name], value), name
    assert all(p.grad is None for p in lesson.language.model.parameters())


def test_an_open_answer_is_written_in_words(lesson: Lesson, band: list[Example]) -> None:
    answerer = lesson.learnt.answerer
    test = [example for example in band if example.split == "test"]
    written = [answerer.answer(lesson.heard[e.id], INSTRUMENT, max_tokens=8) for e in test]
    right = [w == e.labels["instrument"][0] for w, e in zip(written, test, strict=True)]
    assert np.mean(right) > 0.9


def test_an_open_answer_ends_at_its_limit(lesson: Lesson) -> None:
    fresh = untrained(lesson)
    frames = next(iter(lesson.heard.values()))
    one, four = (fresh.answer(frames, "Why?", max_tokens=count) for count in (1, 4))
    assert four.startswith(one)


def test_equal_seeds_give_equal_adapters(lesson: Lesson) -> None:
    first, again = (
        taught(lesson.questions, lesson.heard, lesson.language, SHORT) for _ in range(2)
    )
    other = taught(lesson.questions, lesson.heard, lesson.language, SHORT, seed=1)
    assert same(first, again)
    assert not same(first, other)


def same(one: TrainedAdapter, two: TrainedAdapter) -> bool:
    pairs = zip(
        one.answerer.adapter.state_dict().values(),
        two.answerer.adapter.state_dict().values(),
        strict=True,
    )
    return all(torch.equal(a, b) for a, b in pairs)


def untrained(lesson: Lesson) -> AudioLanguageModel:
    adapter = init_adapter(
        lesson.heard,
        stack=4,
        width=lesson.language.width,
        token_scale=lesson.language.token_scale,
        seed=3,
    )
    return AudioLanguageModel(adapter, lesson.language)


def test_padding_of_frames_changes_nothing(lesson: Lesson, band: list[Example]) -> None:
    class Padded(Precomputed):
        """The same frames between padding of rubbish."""

        def frames(self, examples: Sequence[Example]) -> Frames:
            found = Precomputed.frames(self, examples)
            rubbish = np.full_like(found.values, 1e9)
            values = np.where(found.mask[..., None], found.values, rubbish)
            no = np.zeros_like(found.mask)
            return Frames(
                np.concatenate([rubbish, values, rubbish], axis=1),
                np.concatenate([no, found.mask, no], axis=1),
            )

    padded = read_clip_frames(Padded("padded", {}, dict(frames_of(lesson.heard))), band)
    assert padded is not None
    rating = untrained(lesson).rate
    some = lesson.questions["test"][:5]
    pairs = zip(rating(some, lesson.heard), rating(some, padded), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def frames_of(heard: ClipFrames) -> list[tuple[str, np.ndarray]]:
    return [(name, frames.numpy()) for name, frames in heard.items()]


def test_likelihoods_are_those_of_each_row_alone(lesson: Lesson) -> None:
    answerer = untrained(lesson)
    rows = [
        QuestionAnswer(q.example.id, q.question, option)
        for q in lesson.questions["test"][:6]
        for option in (*q.options, "a much longer answer")
    ]
    with torch.no_grad():
        together = answerer.likelihoods(rows, lesson.heard)
        alone = torch.cat([answerer.likelihoods([row], lesson.heard) for row in rows])
    assert torch.allclose(together, alone, atol=1e-5)


def test_a_likelihood_is_the_mean_over_the_answers_tokens(lesson: Lesson) -> None:
    answerer, language = untrained(lesson), lesson.language
    row = QuestionAnswer(next(iter(lesson.heard)), INSTRUMENT, "flute tuba")
    answer = language.answer(row.answer)
    before, after = language.prompt(row.question)
    with torch.no_grad():
        audio = answerer.adapter([lesson.heard[row.clip]])[0]
        parts = [language.embed(before), audio, language.embed(after), language.embed(answer)]
        logits = language.model(inputs_embeds=torch.cat(parts)[None]).logits[0]
        foretold = logits.log_softmax(-1)[-len(answer) - 1 : -1]
        expected = foretold[torch.arange(len(answer)), answer].mean()
        found = answerer.likelihoods([row], lesson.heard)[0]
    assert len(answer) > 2
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_token_is_a_stack_of_frames_and_the_last_is_filled_with_the_mean() -> None:
    adapter = Adapter(torch.full((3,), 5.0), torch.ones(3), stack=4, width=7, token_scale=1.0)
    frames = torch.randn(6, 3)
    filled = torch.cat([frames, torch.full((2, 3), 5.0)])
    one, other, none = adapter([frames, filled, frames[:0]])
    assert one.shape == (2, 7)
    assert none.shape == (1, 7)
    assert torch.allclose(one, other, atol=1e-6)


def test_a_constant_dimension_is_no_trouble() -> None:
    adapter = init_adapter({"a": torch.ones(5, 2)}, stack=2, width=4, token_scale=0.1, seed=0)
    assert torch.isfinite(adapter([torch.ones(3, 2)])[0]).all()


def test_a_chat_template_puts_the_audio_into_the_users_turn(writer: Path, base: Path) -> None:
    chat, plain = (load_language_model(str(folder), "cpu") for folder in (writer, base))
    read = chat.tokenizer.decode
    before, after = chat.prompt("Which?")
    assert read(before) == "<|im_start|>user\n"
    assert read(after).startswith("\nWhich? Answer in a few words.<|im_end|>\n<|im_start|>assist")
    assert read(chat.answer("tuba")) == "tuba<|im_end|>"
    before, after = plain.prompt("Which?")
    assert before == []
    assert read(after) == "\nQuestion: Which?\nAnswer:"
    assert read(plain.answer("tuba")) == " tuba<|im_end|>"


def test_a_template_that_loses_the_users_words_is_an_error(writer: Path) -> None:
    language = load_language_model(str(writer), "cpu")
    language.tokenizer.chat_template = "{{ 'hello' }}"
    with pytest.raises(ConfigError, match="changes what the user says"):
        language.prompt("Which?")


def test_a_model_that_is_not_there_is_an_error_before_anything_is_encoded(
    band: list[Example], tmp_path: Path
) -> None:
    config = EvaluateConfig(questions=(QuestionTaskConfig(model=str(tmp_path / "nothing")),))
    with pytest.raises(ConfigError, match=r"evaluate\.questions: model = .*nothing"):
        question_tasks(band, config)


def test_missing_weights_are_an_error(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for file in base.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(base / "model.safetensors")
    weights.pop("model.norm.weight")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigError, match=r"the first is model\.norm\.weight"):
        load_language_model(str(tmp_path), "cpu")


def test_a_loss_that_is_not_finite_ends_training(lesson: Lesson) -> None:
    few = {side: rows[:4] for side, rows in lesson.questions.items()}
    wild = msgspec.structs.replace(SHORT, lr=1e30)
    args = few["train"], few["validation"], lesson.heard, lesson.language, wild
    assert train_adapter(*args, seed=0) is None
