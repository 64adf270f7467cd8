"""What holds of every classification task, however it is asked: it measures what features know,
and its test clips stay unseen."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
import torch

from earmark.evaluate.base import Outcome, Task
from earmark.evaluate.config import ClassificationTaskConfig, EvaluateConfig
from earmark.evaluate.probes.base import probe_data
from earmark.evaluate.probes.classification import ClassificationTask
from earmark.evaluate.splits import Split, TaskSplits, in_task, split_task
from earmark.evaluate.tasks import probe_tasks
from earmark.records import Example
from factories import new_example
from precomputed import Precomputed

CONFIG = EvaluateConfig(bootstrap=200, repeats=1, device="cpu")
CLIPS = 600
SHOTS = 20
LABEL_FIELDS = ("kind", "voice", "instrument", "speaker")

TASKS = [
    ClassificationTaskConfig(name="four classes", label="kind"),
    ClassificationTaskConfig(name="two classes", label="voice", where={"kind": ("a", "b")}),
    ClassificationTaskConfig(name="mean recall", label="kind", metric="macro-accuracy"),
    ClassificationTaskConfig(name="several a clip", label="instrument"),
    ClassificationTaskConfig(name="one class a clip, as mAP", label="kind", metric="map"),
    ClassificationTaskConfig(name="held out", label="speaker", split="held-out"),
]


class Kind(NamedTuple):
    """How a task is asked: the rows' probe and shots."""

    probe: str
    shots: int = 0


KINDS = [Kind("linear"), Kind("knn"), Kind("attentive"), Kind("linear", SHOTS)]


def corpus() -> list[Example]:
    rng = np.random.default_rng(3)
    instruments = np.array(["flute", "harp", "piano", "tuba"])
    sides = rng.choice(["train", "validation", "test"], CLIPS, p=[0.4, 0.2, 0.4])
    return [
        new_example(
            id=f"clip-{number}",
            name=f"{number}.wav",
            split=str(sides[number]),
            recording=f"recording-{number // 2}",
            labels={
                "kind": (str(rng.choice(["a", "b", "c", "d"])),),
                "voice": (str(rng.choice(["high", "low"])),),
                "instrument": tuple(instruments[rng.random(4) < 0.4].tolist()) or ("flute",),
                "speaker": (f"speaker-{number // 2 % 5}",),
            },
        )
        for number in range(CLIPS)
    ]


EXAMPLES = corpus()


@cache
def telling(*fields: str) -> Precomputed:
    """Features that hold the labels of fields (of all where none is named), one place each."""
    fields = fields or LABEL_FIELDS
    names = sorted({f"{f}={v}" for e in EXAMPLES for f in fields for v in e.labels[f]})
    rng = np.random.default_rng(0)

    def vector(example: Example) -> np.ndarray:
        held = {f"{field}={value}" for field in fields for value in example.labels[field]}
        return np.array([name in held for name in names]) + rng.normal(0, 0.02, len(names))

    return Precomputed("telling", {e.id: vector(e).astype(np.float32) for e in EXAMPLES})


@cache
def noise() -> Precomputed:
    rng = np.random.default_rng(1)
    return Precomputed("noise", {e.id: rng.normal(size=8).astype(np.float32) for e in EXAMPLES})


@cache
def blurred() -> Precomputed:
    """Features that hold every label, but in so much noise that many clips are mistaken."""
    rng = np.random.default_rng(9)
    return changed(
        telling(), "blurred", lambda v: v + rng.normal(0, 0.7, v.shape).astype(np.float32)
    )


def changed(
    encoder: Precomputed, name: str, change: Callable[[np.ndarray], np.ndarray]
) -> Precomputed:
    return Precomputed(name, {clip: change(vector) for clip, vector in encoder.vectors.items()})


def task_of(kind: Kind, parts: TaskSplits, settings: EvaluateConfig = CONFIG) -> Task:
    one = {"probes": ()} if kind.shots else {"probes": (kind.probe,), "shots": ()}
    shots = {"shots": (kind.shots,)} if kind.shots else {}
    [task] = probe_tasks("task", [parts], msgspec.structs.replace(settings, **one, **shots))
    return task


def outcome_of(task: Task, encoder: Precomputed, seed: int = 0) -> Outcome:
    [outcome] = task.evaluate(encoder, seed=seed)
    return outcome


@cache
def found(kind: Kind, number: int, encoder: Callable[[], Precomputed], seed: int = 0) -> Outcome:
    """Return the outcome of a task of TASKS, worked out once for all tests that look at it."""
    return outcome_of(task_of(kind, split_task(EXAMPLES, TASKS[number])), encoder(), seed)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind.probe} {kind.shots or 'all'}")
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


@pytest.fixture(params=range(len(TASKS)), ids=lambda number: TASKS[number].name)
def number(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def config(number: int) -> ClassificationTaskConfig:
    return TASKS[number]


@pytest.fixture
def parts(config: ClassificationTaskConfig) -> TaskSplits:
    return split_task(EXAMPLES, config)


def test_features_that_hold_the_label_score_one(
    kind: Kind, config: ClassificationTaskConfig, parts: TaskSplits
) -> None:
    # Neighbours weigh all features alike, so they are perfect only where there are no others.
    encoder = telling(config.label) if kind.probe == "knn" else telling()
    score = outcome_of(task_of(kind, parts), encoder).score
    assert score.status == "ok"
    assert (score.probe, score.shots) == kind
    assert score.value == pytest.approx(1.0, abs=1e-9)
    assert score.low == pytest.approx(1.0, abs=1e-9)
    assert score.chance < 0.65


def test_features_that_know_nothing_score_about_chance(kind: Kind, number: int) -> None:
    score = found(kind, number, noise).score
    assert score.low - 0.05 < score.chance < score.high + 0.05
    assert score.high < 0.75


def test_labels_of_other_clips_score_about_chance(
    kind: Kind, config: ClassificationTaskConfig
) -> None:
    shuffled = np.random.default_rng(5).permutation(CLIPS)
    strangers = [
        msgspec.structs.replace(example, labels=EXAMPLES[other].labels)
        for example, other in zip(EXAMPLES, shuffled, strict=True)
    ]
    everything = msgspec.structs.replace(config, where={})
    score = outcome_of(task_of(kind, split_task(strangers, everything)), telling()).score
    assert score.low - 0.07 < score.chance < score.high + 0.05


def test_test_labels_choose_nothing(kind: Kind, number: int, parts: TaskSplits) -> None:
    lies = np.roll(parts.test.targets, 1, axis=1)
    other = replace(parts, test=replace(parts.test, targets=lies))
    honest = found(kind, number, blurred)
    deceived = outcome_of(task_of(kind, other), blurred())
    assert honest.score.value > deceived.score.value
    assert honest.fit == deceived.fit
    assert sorted(predictions(honest)) == sorted(predictions(deceived))


def test_test_features_choose_nothing(kind: Kind, number: int, parts: TaskSplits) -> None:
    strange = {example.id for example in parts.test.examples[::2]}
    other = Precomputed(
        "blurred",
        {
            clip: -3 * vector if clip in strange else vector
            for clip, vector in blurred().vectors.items()
        },
    )
    honest, deceived = found(kind, number, blurred), outcome_of(task_of(kind, parts), other)
    assert honest.score.value != deceived.score.value
    assert honest.fit == deceived.fit
    # What is fitted is the same: it says the same of clips that are as they were.
    one, two = (asked_of(kind, parts, encoder)[1::2] for encoder in (blurred(), other))
    assert one == pytest.approx(two, abs=1e-5)


def asked_of(kind: Kind, parts: TaskSplits, encoder: Precomputed) -> np.ndarray:
    """What a probe's first fit says of each test clip."""
    task = task_of(kind, parts)
    assert isinstance(task, ClassificationTask)
    return task.probe.answers(encoder, probe_data(parts), seed=0)[0].scores


def test_scores_of_other_clips_are_told_apart(kind: Kind, number: int, parts: TaskSplits) -> None:
    fewer = Split(parts.test.examples[1:], parts.test.targets[1:])
    other = Split(parts.test.examples, np.roll(parts.test.targets, 1, axis=1))
    part = Split(parts.train.examples[1:], parts.train.targets[1:])
    sides = [{}, {"train": part}, {"test": fewer}, {"test": other}]
    digests = [
        outcome_of(task_of(kind, replace(parts, problem="", **side)), silent()).score.clips
        for side in sides
    ]
    assert digests[0] == digests[1] == found(kind, number, noise).score.clips != ""
    assert len(set(digests)) == 3


@cache
def silent() -> Precomputed:
    return changed(noise(), "silent", lambda vector: vector * np.float32("nan"))


def predictions(outcome: Outcome) -> Counter[str]:
    return sum((Counter({row.predicted: row.clips}) for row in outcome.confusion), Counter[str]())


def test_equal_seeds_give_equal_rows(kind: Kind, number: int, parts: TaskSplits) -> None:
    first = found(kind, number, noise)
    task = task_of(kind, parts)
    asked = {example.id for example in task.examples()}
    again = outcome_of(task, Precomputed("noise", {clip: noise().vectors[clip] for clip in asked}))
    assert (first.score, first.fit, first.confusion) == (again.score, again.fit, again.confusion)
    assert np.array_equal(first.resampled, again.resampled)


def test_other_seeds_draw_other_resamples(kind: Kind, parts: TaskSplits, number: int) -> None:
    first, other = found(kind, number, noise), outcome_of(task_of(kind, parts), noise(), seed=5)
    assert not np.array_equal(other.resampled, first.resampled)
    depends_on_chance = kind.shots or kind.probe == "attentive"
    assert depends_on_chance or other.score.value == first.score.value


def test_encoders_share_their_resamples(kind: Kind, number: int, parts: TaskSplits) -> None:
    # The same knowledge on another scale: all that a probe can tell them apart by is the name.
    louder = changed(blurred(), "louder", lambda vector: vector * 4)
    ours, theirs = found(kind, number, blurred), outcome_of(task_of(kind, parts), louder)
    assert theirs.resampled == pytest.approx(ours.resampled, abs=1e-6)
    assert len(ours.resampled) == CONFIG.bootstrap
    assert ours.resampled.std() > 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_a_status(
    kind: Kind, parts: TaskSplits, bad: float
) -> None:
    broken = dict(noise().vectors)
    broken[parts.test.examples[0].id] = np.full(8, bad, np.float32)
    outcome = outcome_of(task_of(kind, parts), Precomputed("broken", broken))
    assert outcome.score.status == "features not finite"
    assert np.isnan([outcome.score.value, outcome.score.low, outcome.score.high]).all()
    assert (outcome.score.probe, outcome.score.shots) == kind
    assert len(outcome.resampled) == len(outcome.confusion) == 0


@pytest.mark.parametrize("kind", [Kind("linear"), Kind("linear", SHOTS)])
def test_a_solver_that_never_converges_is_a_status(kind: Kind, parts: TaskSplits) -> None:
    hasty = msgspec.structs.replace(CONFIG, max_iterations=1, regularization=(100.0,))
    outcome = outcome_of(task_of(kind, parts, hasty), noise())
    assert outcome.score.status == "probe did not converge"
    assert np.isnan([outcome.score.value, outcome.fit.validation]).all()
    assert outcome.fit.chosen == ""


@pytest.mark.parametrize("side", ["train", "validation", "test"])
def test_a_side_without_clips_is_a_status(
    kind: Kind, config: ClassificationTaskConfig, side: str
) -> None:
    manifest = msgspec.structs.replace(config, split="manifest")
    missing = split_task([example for example in EXAMPLES if example.split != side], manifest)
    task = task_of(kind, missing)
    assert list(task.examples()) == []
    assert outcome_of(task, noise()).score.status == f"no {side} clips"


def test_one_class_is_a_status(kind: Kind) -> None:
    alike = [msgspec.structs.replace(e, labels={"kind": ("a",)}) for e in EXAMPLES]
    outcome = outcome_of(
        task_of(kind, split_task(alike, ClassificationTaskConfig(label="kind"))), noise()
    )
    assert outcome.score.status == "too few classes in train"


def test_a_class_of_one_clip_does_not_stop_the_others(kind: Kind) -> None:
    lone = next(e for e in EXAMPLES if e.split == "train")
    rare = [
        msgspec.structs.replace(e, labels={"kind": ("rare",)}) if e is lone else e for e in EXAMPLES
    ]
    config = ClassificationTaskConfig(label="kind", min_per_class=1)
    outcome = outcome_of(task_of(kind, split_task(rare, config)), telling())
    assert outcome.score.status == "ok"
    assert outcome.score.value > 0.98
    assert outcome.score.classes == 5


def test_features_without_a_difference_score_like_a_constant_answer(
    kind: Kind, parts: TaskSplits
) -> None:
    same = Precomputed("same", {e.id: np.ones(3, np.float32) for e in EXAMPLES})
    score = outcome_of(task_of(kind, parts), same).score
    assert score.status == "ok"
    assert score.value == pytest.approx(score.chance, abs=0.08)


def test_every_clip_of_the_task_is_counted(
    kind: Kind, number: int, config: ClassificationTaskConfig
) -> None:
    fit = found(kind, number, noise).fit
    sides = {"validation", "test"} if config.split == "held-out" else {e.split for e in EXAMPLES}
    expected = [e for e in EXAMPLES if in_task(e.labels, config) and e.split in sides]
    counted = fit.train_clips + fit.validation_clips + fit.test_clips + fit.left_out
    assert counted < len(expected) if kind.shots else counted == len(expected)


def test_a_confusion_has_every_test_clip_once(kind: Kind, number: int, parts: TaskSplits) -> None:
    outcome = found(kind, number, noise)
    if kind.shots or parts.metric == "map":
        assert outcome.confusion == ()
        return
    truth = Counter(parts.classes[row.argmax()] for row in parts.test.targets)
    told: Counter[str] = Counter()
    for row in outcome.confusion:
        assert row.clips > 0
        told[row.truth] += row.clips
    assert told == truth


def test_no_recording_is_on_two_sides_of_a_held_out_split() -> None:
    held_out = next(task for task in TASKS if task.split == "held-out")
    parts = split_task(EXAMPLES, held_out)
    sides = [set(part.recordings()) for part in (parts.train, parts.validation, parts.test)]
    assert all(sides)
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
