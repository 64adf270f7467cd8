"""What holds of both ways to answer questions: the options nearest to audio, and an adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from earmark.evaluate.base import JointSpace, Outcome, Task
from earmark.evaluate.config import EvaluateConfig, QuestionTaskConfig
from earmark.evaluate.tasks import question_tasks
from earmark.records import Example
from factories import new_example
from precomputed import Precomputed

VALUES = {"instrument": ("flute", "harp", "piano", "tuba"), "drums": ("yes", "no")}
NAMES = tuple(f"{field}={value}" for field, values in VALUES.items() for value in values)
STATEMENTS = {"instrument": "instrument={}", "drums": "drums={}"}
PROBES = ("multiple-choice", "adapter")
CLIPS = 160

Ask = Callable[..., Task]


def corpus() -> list[Example]:
    rng = np.random.default_rng(3)
    splits = rng.choice(["train", "validation", "test"], CLIPS, p=[0.4, 0.1, 0.5])
    return [
        new_example(
            id=f"clip-{number}",
            name=f"{number}.wav",
            split=str(splits[number]),
            recording=f"recording-{number // 2}",
            labels={field: (str(rng.choice(values)),) for field, values in VALUES.items()},
        )
        for number in range(CLIPS)
    ]


EXAMPLES = corpus()


class Named(JointSpace):
    """A space with one direction for each label value; a text is the value that it names."""

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self.vectors = vectors

    def audio(self, examples: Sequence[Example]) -> np.ndarray:
        return np.stack([self.vectors[example.id] for example in examples])

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.eye(len(NAMES), dtype=np.float32)[[NAMES.index(text) for text in texts]]


def encoder(vectors: dict[str, np.ndarray], *, learnt_texts: bool = True) -> Precomputed:
    found = Precomputed("encoder", vectors)
    found.aligned = Named(vectors) if learnt_texts else None
    return found


def telling(examples: Sequence[Example] = EXAMPLES) -> dict[str, np.ndarray]:
    """Vectors that hold every label of their clip."""
    return {
        clip.id: np.array(
            [clip.labels[field][0] == value for field in VALUES for value in VALUES[field]],
            np.float32,
        )
        for clip in examples
    }


@pytest.fixture(params=PROBES)
def ask(request: pytest.FixtureRequest, parrot: Path) -> Ask:
    """A function from examples to the task of a probe, whose language model is tiny."""
    torch.set_num_threads(1)

    def task(examples: Sequence[Example] = EXAMPLES, **changes: object) -> Task:
        settings = QuestionTaskConfig(
            fields=tuple(VALUES),
            statement=STATEMENTS,
            model=str(parrot),
            steps=40,
            lr=1e-2,
            stack=1,
        )
        settings = msgspec.structs.replace(settings, **changes)
        config = EvaluateConfig(questions=(settings,), bootstrap=100, device="cpu")
        return question_tasks(examples, config)[PROBES.index(request.param)]

    return task


def test_features_that_hold_the_answer_score_one(ask: Ask) -> None:
    outcomes = ask(steps=80).evaluate(encoder(telling()), seed=0)
    names = ["questions", "questions: instrument", "questions: drums"]
    assert [outcome.score.task for outcome in outcomes] == names
    for outcome in outcomes:
        assert outcome.score.status == "ok"
        assert outcome.score.value > 0.97
        assert outcome.score.low > outcome.score.chance
        assert 0.25 <= outcome.score.chance < 0.6


def test_labels_of_other_clips_score_about_chance(ask: Ask) -> None:
    order = np.random.default_rng(5).permutation(CLIPS)
    strangers = [
        msgspec.structs.replace(clip, labels=EXAMPLES[other].labels)
        for clip, other in zip(EXAMPLES, order, strict=True)
    ]
    for outcome in ask(strangers).evaluate(encoder(telling()), seed=0):
        assert outcome.score.low - 0.1 < outcome.score.chance < outcome.score.high + 0.1
        assert outcome.score.value < 0.7


def test_equal_seeds_give_equal_outcomes(ask: Ask) -> None:
    first, again, other = (ask(steps=2).evaluate(encoder(telling()), seed=s) for s in (4, 4, 5))
    for one, two, three in zip(first, again, other, strict=True):
        assert (one.score, one.fit) == (two.score, two.fit)
        assert np.array_equal(one.resampled, two.resampled)
        assert one.score.seed != three.score.seed


def test_every_score_is_told_apart_and_has_its_resamples(ask: Ask) -> None:
    outcomes = ask(steps=2).evaluate(encoder(telling()), seed=0)
    keys = {(o.score.task, o.score.probe, o.score.shots, o.score.metric) for o in outcomes}
    assert len(keys) == len(outcomes)
    for outcome in outcomes:
        assert len(outcome.resampled) == 100
        assert outcome.score.test == outcome.fit.test_clips > 0
        assert (outcome.score.task, outcome.score.probe) == (outcome.fit.task, outcome.fit.probe)


def test_the_answers_of_test_choose_nothing(ask: Ask) -> None:
    lies = [
        msgspec.structs.replace(clip, labels=EXAMPLES[place - 1].labels)
        if clip.split == "test"
        else clip
        for place, clip in enumerate(EXAMPLES)
    ]
    honest = ask(steps=3).evaluate(encoder(telling()), seed=0)
    deceived = ask(lies, steps=3).evaluate(encoder(telling()), seed=0)
    assert [outcome.fit for outcome in honest] == [outcome.fit for outcome in deceived]


def test_the_features_of_test_choose_nothing(ask: Ask) -> None:
    test = {clip.id for clip in EXAMPLES if clip.split == "test"}
    vectors = {
        name: np.roll(vector, 1) if name in test else vector for name, vector in telling().items()
    }
    task = ask(steps=40)
    honest = task.evaluate(encoder(telling()), seed=0)
    deceived = task.evaluate(encoder(vectors), seed=0)
    assert [outcome.fit for outcome in honest] == [outcome.fit for outcome in deceived]
    assert honest[0].score.value > deceived[0].score.value


def test_every_encoder_is_scored_on_the_same_resamples(ask: Ask) -> None:
    other = encoder(telling())
    other.name = "another"
    task = ask(steps=2)
    ours = task.evaluate(encoder(telling()), seed=0)
    for one, two in zip(ours, task.evaluate(other, seed=0), strict=True):
        assert np.array_equal(one.resampled, two.resampled)
        assert one.score.clips == two.score.clips != ""


def test_few_recordings_have_values_without_an_interval(ask: Ask) -> None:
    few = [msgspec.structs.replace(clip, recording=f"tape {clip.split}") for clip in EXAMPLES]
    for outcome in ask(few, steps=2).evaluate(encoder(telling()), seed=0):
        assert outcome.score.status == "ok"
        assert np.isfinite(outcome.score.value)
        assert np.isnan([outcome.score.low, outcome.score.high]).all()


def test_scores_of_other_clips_are_told_apart(ask: Ask) -> None:
    (*_, last) = (clip for clip in EXAMPLES if clip.split == "test")
    fewer = [clip for clip in EXAMPLES if clip != last]
    whole, less = (
        ask(clips, steps=2).evaluate(encoder(telling()), seed=0)[0] for clips in (EXAMPLES, fewer)
    )
    assert whole.score.clips != less.score.clips


def test_a_task_asks_only_for_its_examples(ask: Ask) -> None:
    task = ask(steps=2)
    wanted = {example.id for example in task.examples()}
    few = {name: vector for name, vector in telling().items() if name in wanted}
    assert task.evaluate(encoder(few), seed=0)[0].score.status == "ok"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_a_status(ask: Ask, bad: float) -> None:
    task = ask(steps=2)
    broken = telling() | {task.examples()[-1].id: np.full(len(NAMES), bad, np.float32)}
    assert statuses(task.evaluate(encoder(broken), seed=0)) == {"features not finite"}


def test_a_field_that_cannot_be_asked_of_leaves_the_others(ask: Ask) -> None:
    examples = [
        msgspec.structs.replace(clip, labels=clip.labels | {"dull": ("same",)}) for clip in EXAMPLES
    ]
    statement = {"dull": "dull={}", "drums": "drums={}"}
    task = ask(examples, steps=2, fields=("dull", "drums"), statement=statement)
    found = {o.score.task: o.score.status for o in task.evaluate(encoder(telling()), seed=0)}
    assert found == {
        "questions": "ok",
        "questions: dull": "too few classes in train",
        "questions: drums": "ok",
    }


def test_nothing_to_ask_is_a_status(ask: Ask) -> None:
    unlabelled = [msgspec.structs.replace(clip, labels={}) for clip in EXAMPLES]
    task = ask(unlabelled, fields=(), statement={})
    assert task.examples() == ()
    assert statuses(task.evaluate(encoder(telling()), seed=0)) == {"no label field to ask of"}


def test_no_text_side_and_no_validation_are_statuses_of_who_needs_them(ask: Ask) -> None:
    examples = [clip for clip in EXAMPLES if clip.split != "validation"]
    task = ask(examples)
    found = statuses(task.evaluate(encoder(telling(), learnt_texts=False), seed=0))
    expected = "no validation clips" if task.needs_frames else "has learnt no texts"
    assert found == {expected}


def statuses(outcomes: Sequence[Outcome]) -> set[str]:
    for outcome in outcomes:
        assert np.isnan([outcome.score.value, outcome.score.low, outcome.score.high]).all()
        assert len(outcome.resampled) == 0
    return {outcome.score.status for outcome in outcomes}
