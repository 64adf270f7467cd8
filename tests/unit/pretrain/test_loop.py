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

from earmark.annotate.vocabulary import Vocabulary
from earmark.audio import AudioError
from earmark.config import ConfigError
from earmark.pretrain.batches import Order
from earmark.pretrain.config import PretrainConfig, TagsConfig, TransformerConfig
from earmark.pretrain.loop import pretrain
from earmark.records import Example

Make = Callable[..., list[Example]]
Train = Callable[..., dict[str, int]]

SETTINGS = PretrainConfig(
    steps=12,
    batch_s=3.0,
    max_clip_s=1.0,
    warmup_steps=2,
    lr=3e-3,
    objective_lr=3e-3,
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
    return [{k: v for k, v in json.loads(x).items() if k != "audio_s_per_s"} for x in lines]


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
    assert all(set(row) == {"step", "split", "loss", "map"} for row in validation)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"checkpoint", "log.jsonl"}


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
    order = Order([min(e.duration_s, 1.0) for e in examples[:20]], SETTINGS.batch_s, seed=0)
    assert order.batches_an_epoch > 5, "the failure should come within the first epoch"
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_a_run_that_goes_on(
    train: Train, make_examples: Make, tmp_path: Path, number: signal.Signals
) -> None:
    examples = make_examples(16)
    config = msgspec.structs.replace(SETTINGS, steps=60, checkpoint_every=1000)
    folder = tmp_path / "stopped"

    def ask_after_two_steps() -> None:
        log = folder / "log.jsonl"
        while not log.exists() or len(log.read_bytes().splitlines()) < 2:
            time.sleep(0.001)
        os.kill(os.getpid(), number)

    asking = threading.Thread(target=ask_after_two_steps)
    asking.start()
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
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
    config = msgspec.structs.replace(SETTINGS, lr=1e38, warmup_steps=0)
    with pytest.raises(FloatingPointError, match=r"lower pretrain\.lr .*train-\d+"):
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
