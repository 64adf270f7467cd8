import numpy as np
import pytest

from earmark import bootstrap
from earmark.bootstrap import bootstrap_values, clips_digest, percentile_interval, resample_weights
from earmark.records import Example
from factories import new_example


def all_weights(groups: list[str], resamples: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate(list(resample_weights(groups, resamples, rng)))


def test_each_resample_draws_as_many_groups_as_there_are() -> None:
    weights = all_weights([f"recording {n}" for n in range(20)], 50, 0)
    assert weights.shape == (50, 20)
    assert (weights.sum(axis=1) == 20).all()


def test_clips_of_one_recording_are_drawn_together() -> None:
    weights = all_weights(["a", "b", "a", "c", "b", "a"], 100, 0)
    assert (weights[:, [0]] == weights[:, [2, 5]]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert not (weights[:, 0] == weights[:, 1]).all()


def test_equal_generators_give_equal_weights_whatever_the_clips_are_right_about() -> None:
    groups = [str(n) for n in range(10)]
    assert np.array_equal(all_weights(groups, 30, 7), all_weights(groups, 30, 7))
    assert not np.array_equal(all_weights(groups, 30, 7), all_weights(groups, 30, 8))


def means(recordings: list[str], seed: int = 0, task: str = "kind") -> np.ndarray:
    right = np.arange(len(recordings)) % 3 / 2
    return bootstrap_values(
        lambda weights: np.stack([weights @ right, weights @ (1 - right)]) / len(recordings),
        recordings,
        task=task,
        seed=seed,
        resamples=40,
    )


def test_equal_seeds_and_tasks_give_equal_resamples_in_blocks_or_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recordings = [str(n // 2) for n in range(12)]
    whole = means(recordings)
    assert whole.shape == (2, 40)
    assert not np.array_equal(whole, means(recordings, seed=1))
    assert not np.array_equal(whole, means(recordings, task="voice"))
    monkeypatch.setattr(bootstrap, "WEIGHTS_AT_ONCE", 12 * 7)
    assert np.array_equal(whole, means(recordings))


@pytest.mark.parametrize("recordings", [1, 4, 5])
def test_few_recordings_give_no_interval(recordings: int) -> None:
    found = means([str(n % recordings) for n in range(60)])
    assert np.isnan(found).all() == (recordings < 5)
    assert np.isnan(percentile_interval(found[0])).all() == (recordings < 5)


def clip(number: int, recording: str | None = None) -> Example:
    return new_example(id=f"clip-{number}", split="test", recording=recording)


def test_a_digest_tells_apart_what_cannot_be_paired() -> None:
    clips = [clip(0), clip(1)]
    digest = clips_digest(clips, [("a",), ("b", "c")])
    assert digest == clips_digest([clip(0), clip(1)], [["a"], ["c", "b"]])
    others = [
        clips_digest(clips, [("a",), ("b",)]),
        clips_digest(clips[::-1], [("b", "c"), ("a",)]),
        clips_digest([clip(0), clip(2)], [("a",), ("b", "c")]),
        clips_digest([clip(0), clip(1, "tape")], [("a",), ("b", "c")]),
    ]
    assert len({digest, *others}) == 5
    assert clips_digest([], []) == ""


def test_blocks_hold_every_resample(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = all_weights(["a", "b", "c"], 25, 1)
    monkeypatch.setattr(bootstrap, "WEIGHTS_AT_ONCE", 12)
    assert np.array_equal(all_weights(["a", "b", "c"], 25, 1), whole)


def test_the_interval_of_an_accuracy_is_the_binomial_one() -> None:
    right = np.repeat([1.0, 0.0], [140, 60])
    weights = all_weights([str(n) for n in range(200)], 4000, 2)
    low, high = percentile_interval(weights @ right / weights.sum(axis=1))
    margin = 1.96 * (0.7 * 0.3 / 200) ** 0.5
    assert low == pytest.approx(0.7 - margin, abs=0.012)
    assert high == pytest.approx(0.7 + margin, abs=0.012)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for repeat in range(200):
        right = (rng.random(120) < 0.6).astype(float)
        weights = all_weights([str(n) for n in range(120)], 300, repeat)
        low, high = percentile_interval(weights @ right / 120)
        covered += low <= 0.6 <= high
    assert 0.89 <= covered / 200 <= 0.99


def test_repeated_clips_of_a_recording_do_not_narrow_the_interval() -> None:
    right = np.repeat((np.arange(50) < 30).astype(float), 8)
    together = all_weights([str(n // 8) for n in range(400)], 2000, 3)
    alone = all_weights([str(n) for n in range(400)], 2000, 3)
    widths = []
    for weights in (together, alone):
        low, high = percentile_interval(weights @ right / weights.sum(axis=1))
        widths.append(high - low)
    assert widths[0] > 2 * widths[1]


def test_values_that_are_not_numbers_do_not_count() -> None:
    assert percentile_interval(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)
    assert np.isnan(percentile_interval(np.array([np.nan]))).all()
    assert np.isnan(percentile_interval(np.zeros(0))).all()
