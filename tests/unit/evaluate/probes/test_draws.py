"""Intervals of probes that depend on chance: they are about other draws and other clips."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from earmark.bootstrap import percentile_interval
from earmark.evaluate.base import Outcome
from earmark.evaluate.config import ClassificationTaskConfig, EvaluateConfig
from earmark.evaluate.metrics import get_metric
from earmark.evaluate.probes.base import Prediction
from earmark.evaluate.probes.classification import ProbeRun, score_predictions
from earmark.evaluate.splits import TaskSplits, split_task
from earmark.evaluate.tasks import probe_tasks
from factories import new_example
from precomputed import Precomputed

CLIPS = 480
CLASSES = 4
PAIRS = 20
ONE_SHOT = EvaluateConfig(
    probes=(), shots=(1,), repeats=10, regularization=(0.1,), bootstrap=200, device="cpu"
)


def clips() -> TaskSplits:
    sides = np.repeat(["train", "validation", "test"], [60, 20, 400])
    examples = [
        new_example(
            id=f"clip-{number}", split=str(side), labels={"kind": (f"kind {number % CLASSES}",)}
        )
        for number, side in enumerate(sides)
    ]
    return split_task(examples, ClassificationTaskConfig(label="kind"))


def like_others(seed: int) -> Precomputed:
    """An encoder whose features know as much of a class as those of any other seed."""
    rng = np.random.default_rng(seed)
    centres = np.eye(CLASSES, 8)
    vectors = {
        f"clip-{number}": (centres[number % CLASSES] + rng.normal(0, 0.5, 8)).astype(np.float32)
        for number in range(CLIPS)
    }
    return Precomputed(f"encoder {seed}", vectors)


@pytest.mark.slow
def test_encoders_that_know_equally_much_seldom_differ_clearly() -> None:
    [task] = probe_tasks("kind", [clips()], ONE_SHOT)
    clear = 0
    for pair in range(PAIRS):
        [ours] = task.evaluate(like_others(2 * pair), seed=pair)
        [theirs] = task.evaluate(like_others(2 * pair + 1), seed=pair)
        low, high = percentile_interval(ours.resampled - theirs.resampled)
        clear += low > 0 or high < 0
    assert clear <= 4  # with the draws held fixed they are 8


def invented(accuracies: Sequence[float], seed: int, tested: int = 100) -> Outcome:
    """An outcome whose draws are right about a clip with these probabilities."""
    rng = np.random.default_rng((1, seed))
    asked = ProbeRun(
        task="kind",
        encoder="invented",
        probe="linear",
        shots=1,
        seed=seed,
        metric=get_metric("accuracy"),
        single_label=True,
        classes=("a", "b"),
        targets=np.eye(2, dtype=bool)[np.zeros(tested, dtype=int)],
        recordings=[f"recording-{number}" for number in range(tested)],
        clips="",
        train=2,
        validation=2,
        left_out=0,
    )
    right = [rng.random(tested) < accuracy for accuracy in accuracies]
    draws = [[Prediction(np.stack([r, ~r], axis=1).astype(float), "", 0.5, 2, 2)] for r in right]
    return score_predictions(asked, draws, 300)


def test_intervals_over_draws_cover_the_mean_over_all_draws() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for repeat in range(100):
        accuracies = np.clip(rng.normal(0.6, 0.1, 10), 0, 1).tolist()
        score = invented(accuracies, repeat).score
        covered += score.low <= 0.6 <= score.high
    assert covered >= 86


def test_one_draw_has_the_interval_of_its_clips() -> None:
    score = invented([0.7], 0, tested=400).score
    half = 1.96 * (score.value * (1 - score.value) / 400) ** 0.5
    assert score.high - score.low == pytest.approx(2 * half, rel=0.2)


def test_draws_that_differ_widen_the_interval() -> None:
    alike, apart = invented([0.7] * 5, 3).score, invented([0.5, 0.6, 0.7, 0.8, 0.9], 3).score
    assert apart.high - apart.low > 1.5 * (alike.high - alike.low)


@pytest.mark.parametrize("recordings", [1, 4])
def test_few_recordings_have_a_value_without_an_interval(recordings: int) -> None:
    parts = clips()
    few = [
        msgspec.structs.replace(clip, recording=f"tape {number % recordings}")
        for number, clip in enumerate(parts.test.examples)
    ]
    rest = [*parts.train.examples, *parts.validation.examples]
    [task] = probe_tasks(
        "kind", [split_task([*rest, *few], ClassificationTaskConfig(label="kind"))], ONE_SHOT
    )
    [outcome] = task.evaluate(like_others(0), seed=0)
    assert outcome.score.status == "ok"
    assert outcome.score.value > 0.25
    assert np.isnan([outcome.score.low, outcome.score.high]).all()
    assert len(outcome.resampled) == ONE_SHOT.bootstrap
