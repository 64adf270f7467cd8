"""Ranks, medians and chance levels, against plain counting."""

import numpy as np
import pytest

from earmark.evaluate.retrieval.metrics import chance_levels, rank, rank_metrics, weighted_median


def scores_of(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_the_rank_is_that_of_the_first_right_one() -> None:
    scores = scores_of([0.1, 0.9, 0.5], [0.1, 0.9, 0.5])
    right = np.array([[False, False, True], [True, True, False]])
    ranked = rank(scores, right)
    assert ranked.rank.tolist() == [2, 1]
    # Right at 1 and 3: (1 / 1 + 2 / 3) / 2.
    assert ranked.precision == pytest.approx([1 / 2, 5 / 6])


def test_equal_scores_find_nothing() -> None:
    ranked = rank(np.ones((3, 20), np.float32), np.eye(3, 20, dtype=bool))
    assert ranked.rank.tolist() == [20, 20, 20]
    assert ranked.precision.tolist() == [0, 0, 0]


def plain(scores: np.ndarray, right: np.ndarray) -> tuple[int, float]:
    """The rank and AP@10 of one query, by sorting."""
    hits = right[np.argsort(-scores)]
    gained = [hits[: place + 1].mean() for place in range(min(10, len(hits))) if hits[place]]
    return int(hits.argmax()) + 1, sum(gained) / min(10, hits.sum())


def test_ranks_are_those_of_sorting() -> None:
    rng = np.random.default_rng(0)
    scores = rng.permuted(np.tile(np.arange(60, dtype=np.float32), (700, 1)), axis=1)
    right = rng.random((700, 60)) < 0.2
    right[:, 0] = True
    ranked = rank(scores, right)
    expected = [plain(*row) for row in zip(scores, right, strict=True)]
    assert ranked.rank.tolist() == [place for place, _ in expected]
    assert ranked.precision == pytest.approx([precision for _, precision in expected])


def test_a_weighted_median_is_that_of_repeated_values() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(1, 30, size=25)
    weights = rng.integers(0, 4, size=(40, 25)).astype(np.float64)
    expected = [np.median(np.repeat(values, row.astype(int))) for row in weights]
    assert weighted_median(values, weights).tolist() == expected


@pytest.mark.parametrize("rights", [[1], [3], [1, 1, 5], [12, 1, 2]])
def test_chance_is_the_mean_over_random_orders(rights: list[int]) -> None:
    candidates, orders = 40, 4000
    rng = np.random.default_rng(2)
    right = np.arange(candidates)[None] < np.tile(rights, orders)[:, None]
    scores = rng.permuted(np.tile(np.arange(candidates, dtype=np.float32), (len(right), 1)), axis=1)
    ranked = rank(scores, right)
    expected = chance_levels(np.array(rights), candidates)
    for metric in rank_metrics():
        value = metric.measure(ranked, np.ones((1, len(right))))[0]
        slack = 1.0 if metric.name == "median_rank" else 0.02
        assert value == pytest.approx(expected[metric.name], abs=slack)


def test_chance_where_nearly_all_are_right() -> None:
    chance = chance_levels(np.array([3, 3]), 3)
    assert chance["recall_at_1"] == pytest.approx(1)
    assert chance["median_rank"] == 1
    assert chance["map_at_10"] == pytest.approx(1)
    assert chance_levels(np.array([1]), 2)["recall_at_5"] == 1
