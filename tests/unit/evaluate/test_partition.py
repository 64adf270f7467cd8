from collections import Counter

import numpy as np
import pytest
from msgspec.structs import replace

from earmark.evaluate.config import ClassificationTaskConfig, EvaluateConfig
from earmark.evaluate.splits import TaskSplits, split_task
from earmark.evaluate.tasks import probe_tasks
from earmark.records import Example
from factories import new_example
from precomputed import Precomputed

KIND = ClassificationTaskConfig(name="kind", label="kind")


def clip(number: int, split: str, *values: str, recording: str | None = None) -> Example:
    return new_example(
        id=f"{number:04}",
        name=f"{number}.wav",
        split=split,
        recording=recording,
        labels={"kind": values, "place": ("indoors" if number % 2 else "outdoors",)},
    )


def clips(plan: dict[str, dict[str, int]]) -> list[Example]:
    """{"train": {"dog": 3}} and so on, as clips."""
    wanted = [(s, k) for s, kinds in plan.items() for k, n in kinds.items() for _ in range(n)]
    return [clip(number, split, kind) for number, (split, kind) in enumerate(wanted)]


def kinds(parts: TaskSplits, side: str) -> Counter[str]:
    return Counter(example.labels["kind"][0] for example in getattr(parts, side).examples)


def test_sides_and_targets_follow_the_manifest() -> None:
    plan = {side: {"cat": 2, "dog": 3} for side in ("train", "validation", "test")}
    parts = split_task(clips(plan), KIND)
    assert parts.classes == ("cat", "dog")
    assert parts.problem == ""
    assert kinds(parts, "train") == {"cat": 2, "dog": 3}
    assert parts.test.targets.tolist() == [[True, False]] * 2 + [[False, True]] * 3


def test_where_keeps_clips_with_one_of_the_values() -> None:
    plan = {side: {"cat": 4, "dog": 4} for side in ("train", "validation", "test")}
    task = ClassificationTaskConfig(
        name="kind", label="kind", where={"place": ("indoors", "on the moon")}
    )
    parts = split_task(clips(plan), task)
    assert {e.labels["place"][0] for e in parts.train.examples} == {"indoors"}
    assert len(parts.train.examples) == 4


def test_rare_classes_go_and_are_counted() -> None:
    plan = {
        "train": {"cat": 3, "dog": 3, "emu": 1},
        "validation": {"cat": 1, "emu": 1},
        "test": {"cat": 2, "dog": 2, "fox": 5},
    }
    parts = split_task(clips(plan), KIND)
    assert parts.classes == ("cat", "dog")
    assert parts.left_out == 1 + 1 + 5
    assert kinds(parts, "test") == {"cat": 2, "dog": 2}


def test_a_class_that_only_train_knows_stays_a_possible_answer() -> None:
    plan = {"train": {"cat": 3, "dog": 3, "emu": 3}} | {
        side: {"cat": 2, "dog": 2} for side in ("validation", "test")
    }
    assert split_task(clips(plan), KIND).classes == ("cat", "dog", "emu")


PAIR = {"cat": 3, "dog": 3}
PROBLEMS = [
    ({"train": PAIR, "validation": PAIR}, "no test clips"),
    ({"train": PAIR, "test": PAIR}, "no validation clips"),
    ({"validation": PAIR, "test": PAIR}, "no train clips"),
    ({}, "no train clips"),
    ({"train": {"cat": 9}, "validation": PAIR, "test": PAIR}, "too few classes in train"),
    (
        {"train": {"cat": 1, "dog": 1}, "validation": PAIR, "test": PAIR},
        "too few classes in train",
    ),
    (
        {"train": PAIR, "validation": PAIR, "test": {"emu": 3, "fox": 3}},
        "no test clips of the classes in train",
    ),
    ({"train": PAIR, "validation": PAIR, "test": {"cat": 5}}, "one class in test"),
]


@pytest.mark.parametrize(("plan", "problem"), PROBLEMS)
def test_what_cannot_be_measured_is_a_row_that_says_why(
    plan: dict[str, dict[str, int]], problem: str
) -> None:
    parts = split_task(clips(plan), KIND)
    [task] = probe_tasks("kind", [parts], EvaluateConfig())
    [outcome] = task.evaluate(Precomputed("nothing", {}), seed=0)
    assert outcome.score.status == problem
    assert np.isnan([outcome.score.value, outcome.score.low, outcome.score.high]).all()
    assert len(task.examples()) == 0


def test_several_values_make_it_map_and_keep_clips_of_no_class() -> None:
    examples = [
        clip(side * 10 + n, split, *values)
        for side, split in enumerate(("train", "validation", "test"))
        for n, values in enumerate([("harp",), ("harp", "flute"), ("flute",), ("gong",)])
    ]
    parts = split_task(examples, KIND)
    assert parts.metric == "map"
    assert parts.classes == ("flute", "harp")
    assert parts.left_out == 0
    assert parts.test.targets.tolist() == [
        [False, True],
        [True, True],
        [True, False],
        [False, False],
    ]


def test_under_map_a_class_of_every_train_clip_is_no_class() -> None:
    examples = [
        clip(side * 10 + n, split, "sound", *values)
        for side, split in enumerate(("train", "validation", "test"))
        for n, values in enumerate([("harp",), ("harp",), ()])
    ]
    assert split_task(examples, KIND).classes == ("harp",)


HELD_OUT = ClassificationTaskConfig(name="speaker", label="kind", split="held-out", min_per_class=1)


@pytest.mark.parametrize(
    ("recordings", "expected"), [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (10, (6, 2, 2))]
)
def test_held_out_gives_each_class_sixty_twenty_twenty(
    recordings: int, expected: tuple[int, int, int]
) -> None:
    splits = ("validation", "test")
    examples = [
        clip(100 * k + n, splits[n % 2], kind, recording=f"{kind} {n}")
        for k, kind in enumerate(("ann", "bob"))
        for n in range(recordings)
    ]
    parts = split_task(examples, HELD_OUT)
    for kind in ("ann", "bob"):
        found = tuple(kinds(parts, side)[kind] for side in ("train", "validation", "test"))
        assert found == expected


def test_held_out_never_uses_what_pre_training_fitted() -> None:
    examples = clips({side: {"ann": 10, "bob": 10} for side in ("train", "validation", "test")})
    parts = split_task(examples, HELD_OUT)
    used = [*parts.train.examples, *parts.validation.examples, *parts.test.examples]
    assert {example.split for example in used} == {"validation", "test"}
    assert len(used) == 40


def test_held_out_keeps_recordings_whole_and_does_not_depend_on_the_order() -> None:
    examples = [clip(n, "test", "ann", recording=str(n // 4)) for n in range(80)]
    parts = split_task(examples, HELD_OUT)
    turned = split_task(examples[::-1], HELD_OUT)
    for side in ("train", "validation", "test"):
        ids = {example.id for example in getattr(parts, side).examples}
        assert ids == {example.id for example in getattr(turned, side).examples}
        assert len(ids) % 4 == 0


def test_held_out_takes_the_windows_of_a_file_for_one_recording() -> None:
    examples = [replace(clip(n, "test", "ann"), parent=str(n // 4)) for n in range(80)]
    recordings = [clip(n, "test", "ann", recording=str(n // 4)) for n in range(80)]
    ours, same = split_task(examples, HELD_OUT), split_task(recordings, HELD_OUT)
    for side in ("train", "validation", "test"):
        part = getattr(ours, side)
        assert [e.id for e in part.examples] == [e.id for e in getattr(same, side).examples]
        assert part.recordings() == getattr(same, side).recordings()


def test_held_out_of_two_recordings_lends_validation_a_quarter_of_the_first() -> None:
    examples = [
        clip(100 * k + n, "test", kind, recording=f"{kind} {n % 2}")
        for k, kind in enumerate(("ann", "bob"))
        for n in range(16)
    ]
    parts = split_task(examples, HELD_OUT)
    assert kinds(parts, "train") == {"ann": 6, "bob": 6}
    assert kinds(parts, "validation") == {"ann": 2, "bob": 2}
    assert kinds(parts, "test") == {"ann": 8, "bob": 8}
    assert not set(parts.train.recordings()) & set(parts.test.recordings())
    assert not set(parts.validation.recordings()) & set(parts.test.recordings())
