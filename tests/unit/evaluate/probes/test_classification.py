"""One partition or several folds, one draw or many: what is scored, and how it is told."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch

from earmark.evaluate.base import FrozenEncoder
from earmark.evaluate.config import ClassificationTaskConfig, EvaluateConfig
from earmark.evaluate.probes.base import Prediction, Probe, ProbeData
from earmark.evaluate.probes.classification import ClassificationTask
from earmark.evaluate.splits import TaskSplits, split_task
from earmark.evaluate.tasks import probe_tasks
from earmark.records import Example
from factories import new_example
from precomputed import Precomputed

CLASSES = ("cat", "dog", "emu")
CONFIG = EvaluateConfig(bootstrap=100, repeats=2, device="cpu")
CLIPS = 150
FOLDS = 5


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def clip(number: int, split: str, kind: str) -> Example:
    return new_example(
        id=f"clip-{number}",
        name=f"{number}.wav",
        split=split,
        recording=f"recording-{number // 2}",
        labels={"kind": (kind,)},
    )


def kind_of(number: int) -> str:
    return CLASSES[number // 2 % 3]


def fold(test: int) -> TaskSplits:
    sides = {test: "test", (test + 1) % FOLDS: "validation"}
    examples = [
        clip(number, sides.get(number // 6 % FOLDS, "train"), kind_of(number))
        for number in range(CLIPS)
    ]
    return split_task(examples, ClassificationTaskConfig(label="kind"))


def folds() -> list[TaskSplits]:
    return [fold(test) for test in range(FOLDS)]


def blurred(noise: float = 1.0) -> Precomputed:
    rng = np.random.default_rng(0)
    centres = np.eye(3, 6)
    return Precomputed(
        "blurred",
        {
            f"clip-{n}": (centres[n // 2 % 3] + noise * rng.normal(size=6)).astype(np.float32)
            for n in range(CLIPS)
        },
    )


def settings(**changes: object) -> EvaluateConfig:
    return msgspec.structs.replace(CONFIG, **changes)


ALL = settings(probes=("linear", "knn", "attentive"), shots=(1, 5))


def test_a_task_is_asked_as_the_settings_say() -> None:
    tasks = probe_tasks("kind", [fold(0)], ALL)
    scores = [task.evaluate(blurred(), seed=0)[0].score for task in tasks]
    asked = [("linear", 0), ("knn", 0), ("attentive", 0), ("linear", 1), ("linear", 5)]
    assert [(score.probe, score.shots) for score in scores] == asked
    assert [task.needs_frames for task in tasks] == [False, False, True, False, False]
    assert {(task.name, len(task.examples())) for task in tasks} == {("kind", CLIPS)}
    assert [score.train for score in scores] == [90, 90, 90, 3, 15]
    assert scores[3].value < scores[4].value


@pytest.mark.slow
def test_folds_are_scored_once_on_all_clips() -> None:
    for task in probe_tasks("kind", folds(), ALL):
        assert len(task.examples()) == CLIPS
        [outcome] = task.evaluate(blurred(), seed=0)
        assert outcome.score.status == "ok"
        assert outcome.score.test == outcome.fit.test_clips == CLIPS
        assert len(outcome.resampled) == CONFIG.bootstrap
        assert outcome.score.low < outcome.score.value < outcome.score.high
        if not outcome.score.shots:
            assert sum(row.clips for row in outcome.confusion) == CLIPS
            assert (outcome.fit.train_clips, outcome.fit.validation_clips) == (90, 30)


def test_the_score_of_folds_is_that_of_their_clips_together() -> None:
    [together] = probe_tasks("kind", folds(), CONFIG)[0].evaluate(blurred(), seed=0)
    right = 0.0
    for parts in folds():
        [alone] = probe_tasks("kind", [parts], CONFIG)[0].evaluate(blurred(), seed=0)
        right += alone.score.value * alone.score.test
    assert together.score.value == pytest.approx(right / CLIPS)


def test_a_class_that_one_fold_does_not_know_is_still_a_column() -> None:
    lacking = [replace_kind(parts, "emu") if not n else parts for n, parts in enumerate(folds())]
    [outcome] = probe_tasks("kind", lacking, CONFIG)[0].evaluate(blurred(0.01), seed=0)
    assert outcome.score.classes == 3
    assert outcome.fit.left_out > 0
    assert outcome.score.value == 1.0


def replace_kind(parts: TaskSplits, gone: str) -> TaskSplits:
    """Take the clips of a class out of train, as a partition of their own would."""
    sides = (parts.train, parts.validation, parts.test)
    examples = [e for side in sides for e in side.examples]
    kept = [e for e in examples if e.split != "train" or e.labels["kind"] != (gone,)]
    return split_task(kept, ClassificationTaskConfig(label="kind"))


def test_a_fold_with_a_problem_is_the_status_of_the_whole() -> None:
    broken = [*folds()[:4], replace(fold(4), problem="no test clips")]
    for task in probe_tasks("kind", broken, ALL):
        assert list(task.examples()) == []
        [outcome] = task.evaluate(Precomputed("nothing", {}), seed=0)
        assert outcome.score.status == "fold 5 of 5: no test clips"
        assert np.isnan(outcome.score.value)


@pytest.mark.parametrize("asked", [{"probes": (), "shots": (2,)}, {"probes": ("attentive",)}])
def test_the_score_of_draws_is_their_mean(asked: dict[str, object]) -> None:
    def score(draws: int) -> tuple[float, np.ndarray]:
        [task] = probe_tasks("kind", [fold(0)], settings(repeats=draws, **asked))
        [outcome] = task.evaluate(blurred(), seed=0)
        return outcome.score.value, outcome.resampled

    (one, first), (both, mixed) = score(1), score(2)
    # The second draw is a score of its own: a share of 30 clips.
    assert (2 * both - one) * 30 == pytest.approx(round((2 * both - one) * 30), abs=1e-6)
    # Of two draws one counts in each resample.
    of_first = np.isclose(mixed, first).mean()
    assert 0.3 < of_first < 0.8
    assert mixed.min() > -1e-9
    assert mixed.max() < 1 + 1e-9


def test_what_each_fold_chose_is_told() -> None:
    [task] = probe_tasks("kind", folds(), settings(regularization=(0.1,)))
    assert task.evaluate(blurred(), seed=0)[0].fit.chosen == "C = 0.1"
    [task] = probe_tasks("kind", folds(), settings(probes=("knn",)))
    chosen = task.evaluate(blurred(), seed=0)[0].fit.chosen
    counts = [int(part.split("(")[1].split(" of 5")[0]) for part in chosen.split(", ")]
    assert sum(counts) == FOLDS
    assert counts == sorted(counts, reverse=True)


class Overflowing(Probe):
    name = "linear"

    def answers(
        self, encoder: FrozenEncoder, question: ProbeData, *, seed: int
    ) -> Sequence[Prediction]:
        return [Prediction(np.full((len(question.test), 3), np.nan), "", 0.5, 1, 1)]


def test_scores_that_are_not_finite_are_a_status() -> None:
    task = ClassificationTask("kind", [fold(0)], Overflowing(), CONFIG)
    [outcome] = task.evaluate(blurred(), seed=0)
    assert outcome.score.status == "scores not finite"
    assert np.isnan(outcome.score.value)


def test_partitions_must_be_there_and_agree() -> None:
    with pytest.raises(ValueError, match="has 0 partitions"):
        probe_tasks("kind", [], CONFIG)
    with pytest.raises(ValueError, match="accuracy, map"):
        probe_tasks("kind", [fold(0), replace(fold(1), metric="map")], CONFIG)
