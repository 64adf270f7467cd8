import numpy as np
import pytest
from sklearn import metrics as reference

from earmark.evaluate.metrics import accuracy, get_metric, macro_accuracy, mean_average_precision


def one_class_a_clip(rng: np.random.Generator, clips: int, classes: int) -> np.ndarray:
    return np.eye(classes, dtype=bool)[rng.integers(classes, size=clips)]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_accuracy_of_weighted_clips_agrees_with_scikit_learn(rng: np.random.Generator) -> None:
    targets = one_class_a_clip(rng, 50, 4)
    scores = rng.normal(size=(50, 4))
    weights = rng.integers(0, 4, size=(3, 50)).astype(float)
    truth, answer = targets.argmax(axis=1), scores.argmax(axis=1)
    for found, weight in zip(accuracy(scores, targets, weights), weights, strict=True):
        assert found == pytest.approx(reference.accuracy_score(truth, answer, sample_weight=weight))


def test_macro_accuracy_agrees_with_scikit_learn(rng: np.random.Generator) -> None:
    targets = one_class_a_clip(rng, 80, 5)
    scores = rng.normal(size=(80, 5))
    truth, answer = targets.argmax(axis=1), scores.argmax(axis=1)
    found = macro_accuracy(scores, targets, np.ones((1, 80)))[0]
    assert found == pytest.approx(reference.balanced_accuracy_score(truth, answer))


@pytest.mark.parametrize("levels", [3, 1000], ids=["many ties", "few ties"])
def test_average_precision_agrees_with_scikit_learn(rng: np.random.Generator, levels: int) -> None:
    targets = rng.random((60, 3)) < 0.3
    scores = rng.integers(levels, size=(60, 3)).astype(float)
    weights = rng.multinomial(60, np.full(60, 1 / 60), size=4).astype(float)
    found = mean_average_precision(scores, targets, weights)
    expected = [
        reference.average_precision_score(targets, scores, sample_weight=weight)
        for weight in weights
    ]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_average_precision_agrees_with_its_formula(rng: np.random.Generator, share: float) -> None:
    targets = rng.random((400, 6)) < share
    targets[:, 0] = False
    scores = np.round(rng.normal(size=(400, 6)), 1)
    scores[:, 1], scores[rng.random(400) < 0.5, 2] = 0.0, -np.inf
    weights = rng.multinomial(400, np.full(400, 1 / 400), size=20).astype(float)
    found = mean_average_precision(scores, targets, weights)
    assert found == pytest.approx(plain_precision(scores, targets, weights), abs=1e-6, nan_ok=True)


def plain_precision(scores: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean over classes of the mean, over positives, of the precision down to their score."""
    found = np.full((len(weights), targets.shape[1]), np.nan)
    for index, (score, true) in enumerate(zip(scores.T, targets.T, strict=True)):
        above = score[None, :] >= score[:, None]
        for row, weight in enumerate(weights):
            held = weight * true
            if held.sum():
                precision = (above @ held) / np.maximum(above @ weight, 1)
                found[row, index] = (held * precision).sum() / held.sum()
    some = ~np.isnan(found).all(axis=1)
    means = np.full(len(weights), np.nan)
    means[some] = np.nanmean(found[some], axis=1)
    return means


def test_a_resample_equals_the_clips_that_it_holds(rng: np.random.Generator) -> None:
    targets = one_class_a_clip(rng, 30, 3)
    scores = rng.normal(size=(30, 3))
    drawn = rng.integers(30, size=30)
    weights = np.bincount(drawn, minlength=30)[None, :].astype(float)
    for name in ("accuracy", "macro-accuracy", "map"):
        metric = get_metric(name)
        repeated = metric.value(scores[drawn], targets[drawn])
        assert metric.measure(scores, targets, weights)[0] == pytest.approx(repeated)


def test_classes_without_positives_do_not_count_in_the_mean() -> None:
    targets = np.array([[True, False], [False, False]])
    scores = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert get_metric("map").value(scores, targets) == 1.0
    assert np.isnan(get_metric("map").value(scores, np.zeros((2, 2), dtype=bool)))


def test_chance_needs_no_audio() -> None:
    targets = np.eye(3, dtype=bool)[[0, 0, 0, 1]]
    assert get_metric("accuracy").chance(targets) == 0.75
    assert get_metric("macro-accuracy").chance(targets) == 0.5
    assert get_metric("map").chance(targets) == 0.5
