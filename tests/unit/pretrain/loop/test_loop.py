from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from earmark.annotate.vocabulary import Vocabulary
from earmark.audio import AudioError
from earmark.config import ConfigError
from earmark.pretrain.checkpoint.checkpoint import load_checkpoint
from earmark.pretrain.config import AdamWConfig, PretrainConfig, ScaledAdamConfig
from earmark.pretrain.data.sampler import BucketSampler
from earmark.pretrain.encoders.config import TransformerConfig
from earmark.pretrain.loop.data import TrainingPlan, split_examples
from earmark.pretrain.loop.distributed import World
from earmark.pretrain.loop.process_group import ProcessGroup
from earmark.pretrain.loop.signals import Preempted
from earmark.pretrain.loop.trainer import Trainer, pretrain
from earmark.pretrain.loop.validation import is_better
from earmark.pretrain.objectives.config import TagsConfig
from earmark.records import Example

Make = Callable[..., list[Example]]
Train = Callable[..., dict[str, int]]

SETTINGS = PretrainConfig(
    steps=12,
    batch_s=3.0,
    max_clip_s=1.0,
    optimizer=AdamWConfig(warmup_steps=2, lr=3e-3, objective_lr=3e-3),
    log_every=1,
    validate_every=5,
    checkpoint_every=3,
    device="cpu",
)


@pytest.fixture
def train(vocabulary: Vocabulary, tiny_encoder: TransformerConfig) -> Train:
    def run(
        examples: list[Example], folder: Path, config: PretrainConfig = SETTINGS, seed: int = 0
    ) -> dict[str, int]:
        return pretrain(examples, vocabulary, tiny_encoder, TagsConfig(), config, folder, seed=seed)

    return run


def rows(folder: Path) -> list[dict[str, Any]]:
    """Return the log without what depends on the machine's speed."""
    lines = (folder / "log.jsonl").read_text().splitlines()
    speed = {"audio_s_per_s", "data_wait", "memory_gib"}
    return [{k: v for k, v in json.loads(x).items() if k not in speed} for x in lines]


def weights(folder: Path) -> tuple[bytes, bytes]:
    checkpoint = folder / "checkpoint"
    return tuple((checkpoint / f"{n}.safetensors").read_bytes() for n in ("model", "objective"))


def test_a_run_leaves_a_checkpoint_a_log_and_counts(
    train: Train, make_examples: Make, tmp_path: Path
) -> None:
    examples = make_examples(20) + make_examples(6, "validation") + make_examples(4, "test")
    for clip in examples:
        if clip.split == "test":
            Path(clip.path).unlink()
    counts = train(examples, tmp_path / "run")
    assert counts == {"in": 30, "out": 26, "pretrain: held out for test": 4}
    log = rows(tmp_path / "run")
    assert [row["step"] for row in log if row["split"] == "train"] == list(range(1, 13))
    validation = [row for row in log if row["split"] == "validation"]
    assert [row["step"] for row in validation] == [5, 10, 12]
    assert all(set(row) == {"step", "split", "selects", "loss", "map"} for row in validation)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "checkpoint",
        "best",
        "log.jsonl",
        "run.txt",
    }


def test_it_learns_to_tell_tones_from_noise(
    train: Train, make_examples: Make, tmp_path: Path
) -> None:
    config = msgspec.structs.replace(SETTINGS, steps=60)
    train(make_examples(20) + make_examples(10, "validation"), tmp_path / "run", config)
    log = rows(tmp_path / "run")
    last = [row for row in log if row["split"] == "validation"][-1]
    assert last["loss"] < 0.5 * log[0]["loss"]
    assert last["map"] > 0.95


def test_a_run_that_failed_within_an_epoch_ends_as_if_it_had_not(
    train: Train, make_examples: Make, tmp_path: Path
) -> None:
    examples = make_examples(20) + make_examples(6, "validation")
    order = BucketSampler([min(e.duration_s, 1.0) for e in examples[:20]], SETTINGS.batch_s, seed=0)
    assert order.batches_per_epoch > 5, "the failure should come within the first epoch"
    train(examples, tmp_path / "straight")

    broken = Path(examples[order(4)[0]].path)
    audio = broken.read_bytes()
    broken.unlink()
    with pytest.raises(AudioError):
        train(examples, tmp_path / "resumed")
    assert (tmp_path / "resumed" / "state-00000003").is_dir()
    assert rows(tmp_path / "resumed")[-1]["step"] == 4

    broken.write_bytes(audio)
    (tmp_path / "resumed" / "state-00000006.tmp").mkdir()  # as a kill -9 while saving leaves it
    with open(tmp_path / "resumed" / "log.jsonl", "a") as log:
        log.write('{"step": 5, "spl')  # and one while logging
    train(examples, tmp_path / "resumed")
    assert weights(tmp_path / "resumed") == weights(tmp_path / "straight")
    assert rows(tmp_path / "resumed") == rows(tmp_path / "straight")


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGTERM, Preempted), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_signal_leaves_a_run_that_goes_on(
    train: Train,
    make_examples: Make,
    tmp_path: Path,
    number: signal.Signals,
    raised: type[BaseException],
) -> None:
    examples = make_examples(16)
    config = msgspec.structs.replace(SETTINGS, steps=60, checkpoint_every=1000)
    folder = tmp_path / "stopped"

    def ask_after_two_steps() -> None:
        log = folder / "log.jsonl"
        while not log.exists() or len(log.read_bytes().splitlines()) < 2:
            time.sleep(0.001)
        os.kill(os.getpid(), number)
        if number == signal.SIGTERM:  # torchrun and Slurm say it more than once
            os.kill(os.getpid(), number)

    asking = threading.Thread(target=ask_after_two_steps)
    asking.start()
    before = signal.getsignal(number)
    with pytest.raises(raised):
        train(examples, folder, config)
    asking.join()
    assert signal.getsignal(number) is before
    (state,) = folder.glob("state-*")
    assert 2 <= int(state.name.removeprefix("state-")) < 60

    train(examples, folder, config)
    train(examples, tmp_path / "straight", config)
    assert weights(folder) == weights(tmp_path / "straight")


def test_seeds_make_different_models_and_equal_seeds_the_same(
    train: Train, make_examples: Make, tmp_path: Path
) -> None:
    examples = make_examples(12)
    config = msgspec.structs.replace(SETTINGS, steps=3)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(examples, tmp_path / name, config, seed)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert weights(tmp_path / "a") != weights(tmp_path / "c")


def test_loader_threads_change_nothing(train: Train, make_examples: Make, tmp_path: Path) -> None:
    examples = make_examples(12)
    for workers in (0, 3):
        config = msgspec.structs.replace(SETTINGS, steps=4, workers=workers)
        train(examples, tmp_path / str(workers), config)
    assert weights(tmp_path / "0") == weights(tmp_path / "3")


def test_a_finished_run_is_left_alone(train: Train, make_examples: Make, tmp_path: Path) -> None:
    examples = make_examples(6)
    config = msgspec.structs.replace(SETTINGS, steps=2)
    counts = train(examples, tmp_path, config)
    for clip in examples:
        Path(clip.path).unlink()
    assert train(examples, tmp_path, config) == counts
    with pytest.raises(ConfigError, match="holds the checkpoint of a run with other settings"):
        train(examples, tmp_path, msgspec.structs.replace(config, steps=3))


def test_the_state_of_another_run_is_refused(
    train: Train, make_examples: Make, tmp_path: Path
) -> None:
    examples = make_examples(8)
    Path(examples[0].path).rename(tmp_path / "away")
    config = msgspec.structs.replace(SETTINGS, checkpoint_every=1, batch_s=1.0)
    with pytest.raises(AudioError):
        train(examples, tmp_path / "run", config)
    (tmp_path / "away").rename(examples[0].path)
    with pytest.raises(ConfigError, match="other settings, clips, vocabulary or seed"):
        train(examples, tmp_path / "run", config, seed=99)


def test_a_gradient_that_is_not_finite_names_its_clips(
    train: Train, make_examples: Make, tmp_path: Path
) -> None:
    config = msgspec.structs.replace(
        SETTINGS, optimizer=AdamWConfig(lr=1e38, objective_lr=1e38, warmup_steps=0)
    )
    with pytest.raises(FloatingPointError, match=r"lower pretrain\.optimizer\.lr .*train-\d+"):
        train(make_examples(8), tmp_path / "run", config)


def test_bfloat16_trains_too(train: Train, make_examples: Make, tmp_path: Path) -> None:
    config = msgspec.structs.replace(SETTINGS, steps=4, precision="bfloat16")
    train(make_examples(8) + make_examples(2, "validation"), tmp_path, config)
    assert rows(tmp_path)[-1]["loss"] < 2


def test_examples_that_cannot_be_used_are_explained(
    train: Train, make_examples: Make, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="nothing to train on"):
        train(make_examples(2, "test"), tmp_path)
    (clip,) = make_examples(1)
    with pytest.raises(ValueError, match="Did you mean 'train'"):
        train([msgspec.structs.replace(clip, split="training")], tmp_path)
    wrong = msgspec.structs.replace(clip, tag_ids=tuple(99 for _ in clip.tag_ids))
    with pytest.raises(ValueError, match="Assemble the manifest again"):
        train([wrong], tmp_path)
    with pytest.raises(ConfigError, match=r"pretrain\.device = 'abacus'"):
        train([clip], tmp_path, msgspec.structs.replace(SETTINGS, device="abacus"))


SCALED = msgspec.structs.replace(
    SETTINGS, accumulate=2, ema_decay=0.9, optimizer=ScaledAdamConfig(warmup_steps=4), steps=9
)


@pytest.mark.parametrize("stop", [4, 5, 6])
def test_a_run_with_all_its_parts_goes_on_bit_for_bit(
    train: Train,
    make_examples: Make,
    vocabulary: Vocabulary,
    tiny_encoder: TransformerConfig,
    tmp_path: Path,
    stop: int,
) -> None:
    """Accumulation, averaging and ScaledAdam; another number of loaders, asked to stop at the call.

    Calls 5 and 6 come in the step that is to be validated and in its validation.
    """
    examples = make_examples(14) + make_examples(4, "validation")
    train(examples, tmp_path / "straight", SCALED)
    plan = TrainingPlan(
        *(split_examples(examples, vocabulary, TagsConfig()), vocabulary, tiny_encoder),
        *(TagsConfig(), msgspec.structs.replace(SCALED, workers=3), 0),
    )
    calls = iter(range(1, 100))
    folder = tmp_path / "resumed"
    folder.mkdir()

    def asked() -> int:
        return int(signal.SIGTERM) if next(calls) >= stop else 0

    with pytest.raises(Preempted, match="stopped after step"):
        Trainer(plan, folder, ProcessGroup(World()), torch.device("cpu"), asked).finish()
    (state,) = folder.glob("state-*")
    reached = json.loads((state / "training.json").read_text())
    assert reached["validation_pending"] == (stop in (5, 6))
    train(examples, folder, msgspec.structs.replace(SCALED, workers=0, log_every=1))
    assert weights(folder) == weights(tmp_path / "straight")
    assert rows(folder) == rows(tmp_path / "straight")
    best = [
        (at / "best" / "model.safetensors").read_bytes() for at in (folder, tmp_path / "straight")
    ]
    assert best[0] == best[1]


def test_the_best_model_is_the_one_that_scored_best(
    train: Train, make_examples: Make, tmp_path: Path
) -> None:
    config = msgspec.structs.replace(SETTINGS, validate_every=1, ema_decay=0.5)
    train(make_examples(12) + make_examples(6, "validation"), tmp_path, config)
    scores = {r["step"]: r["map"] for r in rows(tmp_path) if r["split"] == "validation"}
    first = min(step for step, score in scores.items() if score == max(scores.values()))
    assert load_checkpoint(tmp_path / "best").step == first
    assert load_checkpoint(tmp_path / "checkpoint").step == 12


def test_what_is_better() -> None:
    assert is_better(0.5, None, "map")
    assert is_better(0.5, 0.4, "map")
    assert not is_better(0.5, 0.4, "loss")
    assert not is_better(0.5, 0.5, "loss")
    assert not is_better(float("nan"), None, "map")


def test_the_average_is_smoother_than_the_last_weights(
    train: Train, make_examples: Make, tmp_path: Path
) -> None:
    examples = make_examples(12)
    train(examples, tmp_path / "last")
    train(examples, tmp_path / "average", msgspec.structs.replace(SETTINGS, ema_decay=0.99))
    losses = [[row["loss"] for row in rows(tmp_path / name)] for name in ("last", "average")]
    assert losses[0] == losses[1], "averaging changes nothing of the training itself"
    assert weights(tmp_path / "last") != weights(tmp_path / "average")


def test_a_row_says_what_the_step_cost(train: Train, make_examples: Make, tmp_path: Path) -> None:
    examples = make_examples(12)
    train(examples, tmp_path, msgspec.structs.replace(SETTINGS, accumulate=2))
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    order = BucketSampler([min(e.duration_s, 1.0) for e in examples], SETTINGS.batch_s, seed=0)
    for row in log:
        clips = [[examples[c] for c in order(2 * row["step"] - back)] for back in (2, 1)]
        longest = [max(min(c.duration_s, 1.0) for c in batch) * len(batch) for batch in clips]
        real_s = sum(min(c.duration_s, 1.0) for batch in clips for c in batch)
        assert row["padding"] == pytest.approx(1 - real_s / sum(longest), abs=1e-3)
        assert row["epoch"] == pytest.approx(2 * row["step"] / order.batches_per_epoch, abs=1e-4)
        assert 0 <= row["data_wait"] <= 1
        assert row["memory_gib"] > 0.01
        assert row["grad_norm"] > 0
        assert row["loss/tags"] == pytest.approx(row["loss"])


def test_settings_that_change_nothing_may_change_between_a_kill_and_the_rest(
    vocabulary: Vocabulary, tiny_encoder: TransformerConfig, make_examples: Make
) -> None:
    splits = split_examples(make_examples(3), vocabulary, TagsConfig())

    def told(config: PretrainConfig, seed: int = 0) -> str:
        return TrainingPlan(
            splits, vocabulary, tiny_encoder, TagsConfig(), config, seed
        ).fingerprint()

    free = {"workers": 7, "log_every": 2, "device": "cuda", "accumulate": 3, "tensorboard": True}
    assert told(msgspec.structs.replace(SETTINGS, **free)) == told(SETTINGS)
    for shaping in ({"steps": 13}, {"batch_s": 4.0}, {"ema_decay": 0.5}, {"precision": "bfloat16"}):
        assert told(msgspec.structs.replace(SETTINGS, **shaping)) != told(SETTINGS), shaping
    assert told(SETTINGS, seed=1) != told(SETTINGS)


def test_tensorboard_has_the_log_too(train: Train, make_examples: Make, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = msgspec.structs.replace(SETTINGS, steps=3, tensorboard=True)
    train(make_examples(6) + make_examples(2, "validation"), tmp_path, config)
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    log = [row for row in rows(tmp_path) if row["split"] == "train"]
    scalars = [(event.step, event.value) for event in board.Scalars("train/loss")]
    assert scalars == [(row["step"], pytest.approx(row["loss"], rel=1e-6)) for row in log]
    assert "validation/map" in board.Tags()["scalars"]
