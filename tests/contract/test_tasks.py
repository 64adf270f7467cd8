"""What holds of every task: it measures what features know, and its test clips stay unseen."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from earmark.evaluate.config import EvaluateConfig, TaskConfig
from earmark.evaluate.linear import LinearProbe
from earmark.evaluate.partition import belongs, partition
from earmark.evaluate.precomputed import Precomputed
from earmark.records import Example

CONFIG = EvaluateConfig(bootstrap=200)
CLIPS = 600
LABEL_FIELDS = ("kind", "voice", "instrument", "speaker")

TASKS = [
    TaskConfig(name="four classes", label="kind"),
    TaskConfig(name="two classes", label="voice", where={"kind": ("a", "b")}),
    TaskConfig(name="mean recall", label="kind", metric="macro-accuracy"),
    TaskConfig(name="several a clip", label="instrument"),
    TaskConfig(name="one class a clip, as mAP", label="kind", metric="map"),
    TaskConfig(name="held out", label="speaker", split="held-out"),
]


def corpus() -> list[Example]:
    rng = np.random.default_rng(3)
    instruments = np.array(["flute", "harp", "piano", "tuba"])
    sides = rng.choice(["train", "validation", "test"], CLIPS, p=[0.4, 0.2, 0.4])
    return [
        Example(
            id=f"clip-{number}",
            path="",
            name=f"{number}.wav",
            duration_s=1.0,
            split=str(sides[number]),
            recording=f"recording-{number // 2}",
            speaker=None,
            tags=(),
            tag_ids=(),
            caption="",
            summary="",
            labels={
                "kind": (str(rng.choice(["a", "b", "c", "d"])),),
                "voice": (str(rng.choice(["high", "low"])),),
                "instrument": tuple(instruments[rng.random(4) < 0.4]) or ("flute",),
                "speaker": (f"speaker-{number // 2 % 5}",),
            },
        )
        for number in range(CLIPS)
    ]


EXAMPLES = corpus()


def telling(examples: list[Example]) -> Precomputed:
    """Features that hold every label, one place each, with a little noise."""
    names = sorted({f"{f}={v}" for e in examples for f in LABEL_FIELDS for v in e.labels[f]})
    rng = np.random.default_rng(0)

    def vector(example: Example) -> np.ndarray:
        held = {f"{field}={value}" for field in LABEL_FIELDS for value in example.labels[field]}
        return np.array([name in held for name in names]) + rng.normal(0, 0.02, len(names))

    return Precomputed("telling", {e.id: vector(e).astype(np.float32) for e in examples})


def noise(dim: int = 8) -> Precomputed:
    rng = np.random.default_rng(1)
    return Precomputed("noise", {e.id: rng.normal(size=dim).astype(np.float32) for e in EXAMPLES})


def task_of(config: TaskConfig, examples: list[Example] = EXAMPLES) -> LinearProbe:
    return LinearProbe(config.name, partition(examples, config), CONFIG)


@pytest.fixture(params=TASKS, ids=lambda config: config.name)
def config(request: pytest.FixtureRequest) -> TaskConfig:
    return request.param


def test_features_that_hold_the_label_score_one(config: TaskConfig) -> None:
    score = task_of(config).evaluate(telling(EXAMPLES), seed=0).score
    assert score.status == "ok"
    assert score.value == pytest.approx(1.0, abs=1e-9)
    assert score.low == pytest.approx(1.0, abs=1e-9)
    assert score.chance < 0.65


def test_features_that_know_nothing_score_about_chance(config: TaskConfig) -> None:
    score = task_of(config).evaluate(noise(), seed=0).score
    assert score.low - 0.05 < score.chance < score.high + 0.05
    assert score.high < 0.75


def test_labels_of_other_clips_score_about_chance(config: TaskConfig) -> None:
    shuffled = np.random.default_rng(5).permutation(CLIPS)
    strangers = [
        msgspec.structs.replace(example, labels=EXAMPLES[other].labels)
        for example, other in zip(EXAMPLES, shuffled, strict=True)
    ]
    everything = msgspec.structs.replace(config, where={})
    score = task_of(everything, strangers).evaluate(telling(EXAMPLES), seed=0).score
    assert score.low - 0.07 < score.chance < score.high + 0.05


def test_test_labels_choose_nothing(config: TaskConfig) -> None:
    parts = partition(EXAMPLES, config)
    lies = np.roll(parts.test.targets, 1, axis=1)
    other = replace(parts, test=replace(parts.test, targets=lies))
    blurred = Precomputed(
        "blurred",
        {
            name: vector + np.random.default_rng(9).normal(0, 0.7, vector.shape).astype(np.float32)
            for name, vector in telling(EXAMPLES).vectors.items()
        },
    )
    honest = LinearProbe("task", parts, CONFIG).evaluate(blurred, seed=0)
    deceived = LinearProbe("task", other, CONFIG).evaluate(blurred, seed=0)
    assert honest.score.value > deceived.score.value
    assert honest.fit == deceived.fit


def test_equal_seeds_give_equal_rows(config: TaskConfig) -> None:
    first = task_of(config).evaluate(noise(), seed=4)
    again = task_of(config).evaluate(noise(), seed=4)
    other = task_of(config).evaluate(noise(), seed=5)
    assert (first.score, first.fit) == (again.score, again.fit)
    assert np.array_equal(first.resampled, again.resampled)
    assert other.score.value == first.score.value
    assert not np.array_equal(other.resampled, first.resampled)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_a_status(config: TaskConfig, bad: float) -> None:
    task = task_of(config)
    broken = dict(noise().vectors)
    broken[task.partition.test.examples[0].id] = np.full(8, bad, np.float32)
    outcome = task.evaluate(Precomputed("broken", broken), seed=0)
    assert outcome.score.status == "features not finite"
    assert np.isnan([outcome.score.value, outcome.score.low, outcome.score.high]).all()
    assert len(outcome.resampled) == 0


def test_a_probe_that_never_converges_is_a_status(config: TaskConfig) -> None:
    hasty = msgspec.structs.replace(CONFIG, max_iterations=1, regularisation=(100.0,))
    outcome = LinearProbe("task", partition(EXAMPLES, config), hasty).evaluate(noise(), seed=0)
    assert outcome.score.status == "probe did not converge"
    assert np.isnan([outcome.score.value, outcome.fit.regularisation]).all()


def test_features_without_a_difference_score_like_a_constant_answer(config: TaskConfig) -> None:
    same = Precomputed("same", {e.id: np.ones(3, np.float32) for e in EXAMPLES})
    score = task_of(config).evaluate(same, seed=0).score
    assert score.status == "ok"
    assert score.value == pytest.approx(score.chance, abs=0.08)


def test_a_task_asks_only_for_its_examples(config: TaskConfig) -> None:
    task = task_of(config)
    asked = {example.id for example in task.examples()}
    vectors = {name: vector for name, vector in noise().vectors.items() if name in asked}
    assert task.evaluate(Precomputed("few", vectors), seed=0).score.status == "ok"


def test_every_clip_of_the_task_is_counted(config: TaskConfig) -> None:
    fit = task_of(config).evaluate(noise(), seed=0).fit
    sides = {"validation", "test"} if config.split == "held-out" else {e.split for e in EXAMPLES}
    expected = [e for e in EXAMPLES if belongs(e.labels, config) and e.split in sides]
    counted = fit.train_clips + fit.validation_clips + fit.test_clips + fit.left_out
    assert counted == len(expected)


def test_no_recording_is_on_two_sides_of_a_held_out_split() -> None:
    held_out = next(task for task in TASKS if task.split == "held-out")
    parts = partition(EXAMPLES, held_out)
    sides = [set(part.recordings()) for part in (parts.train, parts.validation, parts.test)]
    assert all(sides)
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
