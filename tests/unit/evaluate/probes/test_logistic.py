import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from earmark.evaluate.config import EvaluateConfig
from earmark.evaluate.probes.linear import fit_regularization_path, log_likelihood


def blobs(classes: int, clips: int = 150, dim: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    answer = rng.integers(classes, size=clips)
    centres = rng.normal(size=(classes, dim))
    features = 40 * (centres[answer] + rng.normal(size=(clips, dim))) + 7
    return features.astype(np.float32), np.eye(classes, dtype=bool)[answer]


@pytest.mark.parametrize("classes", [2, 5])
def test_logits_agree_with_scikit_learn(classes: int) -> None:
    features, targets = blobs(classes)
    config = EvaluateConfig(regularization=(0.1,))
    [(c, probe)] = fit_regularization_path(features, targets, False, config)
    inputs = (features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)) / features.std(
        axis=0, dtype=np.float64
    )
    reference = LogisticRegression(C=0.1, max_iter=2000).fit(inputs, targets.argmax(axis=1))
    logits = probe.scores(features)
    assert c == 0.1
    assert (logits.argmax(axis=1) == reference.predict(inputs)).all()
    expected = np.log(reference.predict_proba(inputs))[targets].mean()
    assert log_likelihood(logits, targets, False) == pytest.approx(expected, abs=1e-3)


def test_one_against_the_rest_fits_each_class_alone() -> None:
    features, _ = blobs(3)
    targets = np.random.default_rng(1).random((150, 3)) < 0.4
    config = EvaluateConfig(regularization=(1.0,))
    [(_, probe)] = fit_regularization_path(features, targets, True, config)
    [(_, alone)] = fit_regularization_path(features, targets[:, [1]], True, config)
    assert probe.scores(features)[:, 1] == pytest.approx(alone.scores(features)[:, 0], abs=1e-6)
    assert log_likelihood(probe.scores(features), targets, True) < 0


def test_the_path_runs_from_strong_to_weak() -> None:
    features, targets = blobs(3)
    path = list(
        fit_regularization_path(
            features, targets, False, EvaluateConfig(regularization=(1.0, 0.01, 0.1))
        )
    )
    assert [c for c, _ in path] == [0.01, 0.1, 1.0]
    sizes = [float(np.abs(probe.weight).sum()) for _, probe in path]
    assert sizes == sorted(sizes)


def test_a_probe_that_does_not_converge_is_left_out() -> None:
    features, targets = blobs(5)
    config = EvaluateConfig(regularization=(0.001, 1000.0), max_iterations=15)
    assert [c for c, _ in fit_regularization_path(features, targets, False, config)] == [0.001]


def test_constant_features_are_harmless() -> None:
    features, targets = blobs(3)
    features[:, 2] = 5.0
    [(_, probe)] = fit_regularization_path(
        features, targets, False, EvaluateConfig(regularization=(1.0,))
    )
    assert np.isfinite(probe.scores(features)).all()
    assert probe.weight[2] == pytest.approx(0.0)


def test_the_scale_of_features_does_not_matter() -> None:
    features, targets = blobs(3)
    config = EvaluateConfig(regularization=(0.1,))
    [(_, probe)] = fit_regularization_path(features, targets, False, config)
    [(_, scaled)] = fit_regularization_path(features / 1024, targets, False, config)
    assert scaled.scores(features / 1024) == pytest.approx(probe.scores(features), abs=1e-3)
