import numpy as np
import pytest

from earmark.evaluate.probes import knn
from earmark.evaluate.probes.knn import knn_vote


def unit(clips: int, dim: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(clips, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def slow_vote(asked: np.ndarray, train: np.ndarray, targets: np.ndarray, k: int) -> np.ndarray:
    shares = np.zeros((len(asked), targets.shape[1]))
    for row, clip in enumerate(asked):
        cosine = {place: float(clip @ other) for place, other in enumerate(train)}
        voters = sorted(cosine, key=lambda place: -cosine[place])[:k]
        weights = {place: np.exp(cosine[place] / 0.07) for place in voters}
        for place, weight in weights.items():
            shares[row] += weight * targets[place] / sum(weights.values())
    return shares


@pytest.mark.parametrize("at_once", [16_000_000, 100])
def test_votes_are_those_of_a_plain_loop(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn, "COSINES_PER_BLOCK", at_once)
    asked, train = unit(13, 5, 0), unit(40, 5, 1)
    targets = np.random.default_rng(2).random((40, 3)) < 0.4
    for k, shares in zip((1, 5, 40), knn_vote(asked, train, targets, (1, 5, 40)), strict=True):
        assert shares == pytest.approx(slow_vote(asked, train, targets, k), abs=1e-5)
        assert shares.min() >= 0
        assert shares.max() <= 1 + 1e-9


def test_one_neighbour_is_the_nearest_clip() -> None:
    train = unit(20, 6, 0)
    targets = np.eye(20, dtype=bool)
    [shares] = knn_vote(train, train, targets, [1])
    assert shares == pytest.approx(np.eye(20))
