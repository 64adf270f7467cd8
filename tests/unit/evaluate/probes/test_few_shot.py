from collections import Counter

import numpy as np
import pytest

from earmark.evaluate.probes.linear import draw_shots
from earmark.evaluate.splits import Split
from factories import new_example


def part(targets: np.ndarray, recordings: list[str]) -> Split:
    examples = tuple(
        new_example(id=f"clip-{number}", recording=recording)
        for number, recording in enumerate(recordings)
    )
    return Split(examples, targets)


def one_each(counts: list[int], per_recording: int = 1) -> Split:
    truth = np.repeat(np.arange(len(counts)), counts)
    return part(
        np.eye(len(counts), dtype=bool)[truth],
        [f"recording-{row // per_recording}" for row in range(len(truth))],
    )


def test_each_class_gives_n_clips_or_all_that_it_has() -> None:
    few = one_each([7, 2, 30])
    rows = draw_shots(few, 5, False, np.random.default_rng(0))
    assert few.targets[rows].sum(axis=0).tolist() == [5, 2, 5]
    assert sorted(set(rows)) == rows.tolist()


def test_clips_come_from_different_recordings_as_far_as_there_are_enough() -> None:
    # Each class has 5 recordings of 4 clips.
    close = one_each([20, 20], per_recording=4)
    for seed in range(10):
        rows = draw_shots(close, 5, False, np.random.default_rng(seed))
        assert len({close.recordings()[row] for row in rows}) == 10
        more = draw_shots(close, 10, False, np.random.default_rng(seed))
        assert set(Counter(close.recordings()[row] for row in more).values()) == {2}


def test_fewer_shots_are_among_more_shots() -> None:
    many = one_each([40, 40, 40], per_recording=2)
    draws = [set(draw_shots(many, n, False, np.random.default_rng(3))) for n in (1, 5, 10)]
    assert draws[0] < draws[1] < draws[2]


def test_other_seeds_draw_other_clips() -> None:
    many = one_each([40, 40])
    first, other = (draw_shots(many, 5, False, np.random.default_rng(seed)) for seed in (0, 1))
    assert first.tolist() != other.tolist()


@pytest.mark.parametrize("shots", [1, 3, 10])
def test_where_a_clip_has_several_classes_each_is_present_and_absent(shots: int) -> None:
    rng = np.random.default_rng(0)
    targets = rng.random((200, 4)) < [0.9, 0.5, 0.2, 0.05]
    several = part(targets, [f"{row}" for row in range(200)])
    rows = draw_shots(several, shots, True, np.random.default_rng(1))
    present, absent = targets[rows].sum(axis=0), (~targets[rows]).sum(axis=0)
    assert (present >= np.minimum(shots, targets.sum(axis=0))).all()
    assert (absent >= np.minimum(shots, (~targets).sum(axis=0))).all()
    assert len(rows) <= 8 * shots


def test_a_side_without_a_class_gives_nothing_of_it() -> None:
    half = part(np.array([[True, False]] * 3), ["a", "b", "c"])
    assert len(draw_shots(half, 2, False, np.random.default_rng(0))) == 2
