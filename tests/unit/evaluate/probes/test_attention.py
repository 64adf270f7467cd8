from collections.abc import Iterator

import numpy as np
import pytest
import torch

from earmark.evaluate.config import ClassificationTaskConfig, EvaluateConfig
from earmark.evaluate.probes.attentive import AttentiveProbe, draw_seed
from earmark.evaluate.probes.base import Probe, ProbeError, probe_data
from earmark.evaluate.probes.linear import LinearProbe
from earmark.evaluate.splits import TaskSplits, split_task
from factories import new_example
from precomputed import Precomputed

CLIPS = 240
ONE = EvaluateConfig(repeats=1, device="cpu")
CONFIG = EvaluateConfig(repeats=2, device="cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def parts() -> TaskSplits:
    examples = [
        new_example(
            id=f"clip-{number}",
            split=("train", "train", "validation", "test")[number % 4],
            recording="",
            labels={"kind": (str(number // 4 % 3),)},
        )
        for number in range(CLIPS)
    ]
    return split_task(examples, ClassificationTaskConfig(label="kind"))


def brief() -> Precomputed:
    """Frames of noise, of which one, marked as such, holds the class; clips differ in length."""
    rng = np.random.default_rng(0)
    frames: dict[str, np.ndarray] = {}
    for number in range(CLIPS):
        rows = 1.5 * rng.normal(size=(8 + number % 5, 8))
        rows[:, 7] = 0.0
        place = rng.integers(len(rows))
        rows[place] = 0.3 * rng.normal(size=8)
        rows[place, [number // 4 % 3, 7]] += [1.5, 3.0]
        frames[f"clip-{number}"] = rows.astype(np.float32)
    return Precomputed("brief", {name: rows.mean(axis=0) for name, rows in frames.items()}, frames)


def accuracy(probe: Probe) -> list[float]:
    asked = parts()
    truth = asked.test.targets.argmax(axis=1)
    answers = probe.answers(brief(), probe_data(asked), seed=0)
    return [float((answer.scores.argmax(axis=1) == truth).mean()) for answer in answers]


@pytest.mark.slow
def test_it_finds_the_frame_that_the_mean_drowns() -> None:
    [mean] = accuracy(LinearProbe(CONFIG))
    [learnt] = accuracy(AttentiveProbe(ONE))
    assert learnt > mean + 0.1


@pytest.mark.slow
def test_draws_differ_and_come_again() -> None:
    asked, probe = probe_data(parts()), AttentiveProbe(CONFIG)
    first, second = probe.answers(brief(), asked, seed=0)
    [again] = AttentiveProbe(ONE).answers(brief(), asked, seed=0)
    assert np.array_equal(first.scores, again.scores)
    assert not np.array_equal(first.scores, second.scores)
    assert first.chosen.startswith("lr = 0.0")


def test_no_two_draws_share_a_seed() -> None:
    seeds = {draw_seed(seed, draw) for seed in range(20) for draw in range(20)}
    assert len(seeds) == 400


@pytest.mark.parametrize("wild", ["clip-2", "clip-3"])
def test_values_beyond_float32_once_scaled_are_a_fault(wild: str) -> None:
    rng = np.random.default_rng(0)
    rows = {f"clip-{n}": 1e-3 * rng.normal(size=4).astype(np.float32) for n in range(CLIPS)}
    rows[wild] = np.full(4, 3e38, np.float32)
    with pytest.raises(ProbeError, match="features not finite"):
        AttentiveProbe(CONFIG).answers(Precomputed("wild", rows), probe_data(parts()), seed=0)


def test_a_clip_without_frames_is_a_fault() -> None:
    encoder = brief()
    frames = {example: np.ones((2, 8), np.float32) for example in encoder.vectors}
    frames["clip-3"] = np.ones((0, 8), np.float32)
    with pytest.raises(ProbeError, match="a clip has no frames"):
        AttentiveProbe(CONFIG).answers(
            Precomputed("silent", encoder.vectors, frames), probe_data(parts()), seed=0
        )
