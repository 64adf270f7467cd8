"""Two processes over gloo against one that accumulates, and a run that changes from one to two."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from earmark.annotate.vocabulary import Vocabulary
from earmark.config import ConfigError
from earmark.pretrain.build import build_encoder, build_objective
from earmark.pretrain.config import AdamWConfig, PretrainConfig
from earmark.pretrain.encoders.base import Augmentation, Encoder
from earmark.pretrain.encoders.config import TransformerConfig
from earmark.pretrain.loop.data import MicroBatches, TrainingPlan, split_examples
from earmark.pretrain.loop.distributed import World, world_from_environment
from earmark.pretrain.loop.process_group import ProcessGroup
from earmark.pretrain.loop.signals import Preempted
from earmark.pretrain.loop.trainer import Trainer, pretrain
from earmark.pretrain.objectives.config import ContrastiveConfig, TagsConfig
from earmark.pretrain.objectives.contrastive import ContrastiveObjective
from earmark.pretrain.objectives.contrastive_losses import EmbeddingPairs
from earmark.pretrain.objectives.targets import collect_target_specs
from earmark.pretrain.optim.optimizers import build_optimizer, clip_factor
from earmark.pretrain.seeds import derive_seed
from earmark.pretrain.text.config import TextModelConfig
from earmark.records import Example

CONTRASTIVE = ContrastiveConfig(dim=16, model=TextModelConfig(size="mini", bpe_size=300))
WORKER = Path(__file__).with_name("two_processes.py")
SETTINGS = PretrainConfig(
    steps=5,
    batch_s=3.0,
    max_clip_s=1.0,
    optimizer=AdamWConfig(warmup_steps=2, lr=3e-3, objective_lr=3e-3),
    ema_decay=0.9,
    log_every=1,
    validate_every=3,
    checkpoint_every=100,
    device="cpu",
)


@pytest.fixture(scope="module")
def examples(make_corpus: Callable[..., list[Example]]) -> list[Example]:
    clips = make_corpus(20) + make_corpus(4, "validation")
    return [
        msgspec.structs.replace(clip, summary=f"{clip.tags[0]} of {clip.duration_s:.1f} s")
        for clip in clips
    ]


def in_two(folder: Path) -> str:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(WORKER), str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def write_task(
    folder: Path, examples: list[Example], vocabulary: Vocabulary, encoder: TransformerConfig
) -> None:
    vocabulary.save(folder / "vocabulary.json")
    task = {
        "examples": examples,
        "vocabulary": str(folder / "vocabulary.json"),
        "encoder": encoder,
        "config": SETTINGS,
        "contrastive": CONTRASTIVE,
    }
    (folder / "task.json").write_bytes(msgspec.json.encode(task))


def alone(plan: TrainingPlan, folder: Path, asked: Callable[[], int]) -> None:
    Trainer(plan, folder, ProcessGroup(World()), torch.device("cpu"), asked).finish()


def rows(folder: Path, *names: str) -> list[list[Any]]:
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [[row[name] for name in names] for row in lines if row["split"] == "train"]


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    examples: list[Example],
    vocabulary: Vocabulary,
    tiny_encoder: TransformerConfig,
) -> Path:
    """Everything that two processes did, and what they said of it."""
    folder = tmp_path_factory.mktemp("two")
    write_task(folder, examples, vocabulary, tiny_encoder)
    in_two(folder)
    return folder


def test_two_processes_do_what_one_does_with_two_batches(
    folder: Path,
    examples: list[Example],
    vocabulary: Vocabulary,
    tiny_encoder: TransformerConfig,
    tmp_path: Path,
) -> None:
    config = msgspec.structs.replace(SETTINGS, accumulate=2)
    pretrain(examples, vocabulary, tiny_encoder, TagsConfig(), config, tmp_path, seed=0)
    names = ("step", "loss", "lr", "grad_norm", "audio_s", "padding", "epoch")
    two, one = rows(folder / "straight", *names), rows(tmp_path, *names)
    assert len(two) == 5
    torch.testing.assert_close(torch.tensor(two), torch.tensor(one), rtol=1e-6, atol=1e-6)
    for file in ("model", "objective"):
        paths = (f / "checkpoint" / f"{file}.safetensors" for f in (folder / "straight", tmp_path))
        mine, theirs = map(load_file, paths)
        for name, value in mine.items():
            # Softmax does not see a bias of the keys: its gradient is rounding, which Adam scales.
            if "query_key_value.bias" not in name:
                torch.testing.assert_close(value, theirs[name], rtol=0, atol=1e-6, msg=name)


def test_all_processes_have_the_same_weights_and_stop_together(folder: Path) -> None:
    said = json.loads((folder / "said.json").read_text())
    for name, run in said.items():
        first, second = run["weights"]
        assert first == second, name
        first, second = run["told"]
        assert first == second, name
    assert said["stopped"]["told"][0].startswith("Preempted: stopped after step 3")
    assert said["resumed"] == said["straight"]
    names = ("step", "loss", "grad_norm", "audio_s")
    assert rows(folder / "stopped", *names) == rows(folder / "straight", *names)


def joined_batches(plan: TrainingPlan) -> tuple[list[float], Encoder, ContrastiveObjective]:
    """Train in one process, every clip of two batches against all texts of both; the losses too."""
    splits, config = plan.splits, plan.config
    materials = collect_target_specs(splits.train, plan.vocabulary, plan.objective)
    encoder = build_encoder(plan.encoder).train()
    objective: Any = build_objective(plan.objective, materials, dim=encoder.dim).train()
    optimizer = build_optimizer(encoder, objective, config)
    batches = MicroBatches(plan, World(), encoder, objective, torch.device("cpu"))
    told: list[float] = []
    stream = batches.iterate_from(0, 2 * config.steps)
    for step in range(config.steps):
        found: list[EmbeddingPairs] = []
        for place, (batch, _) in enumerate(itertools.islice(stream, 2)):
            torch.manual_seed(derive_seed(0, "dropout", 2 * step + place))
            augment = Augmentation(config.spec_augment, batch.seeds)
            encoded = encoder(batch.wave, batch.lengths, augment)
            found.append(objective.pairs(encoded, batch.targets))
        everyone = EmbeddingPairs(
            *(torch.cat(parts) for parts in zip(*map(astuple_of, found), strict=True))
        )
        loss = objective.loss(everyone, 0, len(everyone.keys))
        loss.backward()
        told.append(float(loss.detach()))
        optimizer.scale(clip_factor(float(optimizer.norm()), config.clip_norm))
        optimizer.step(step, batches.epoch(2 * step))
        optimizer.forget()
    return told, encoder, objective


def astuple_of(pairs: EmbeddingPairs) -> tuple[torch.Tensor, ...]:
    return pairs.audio, pairs.text, pairs.keys


def test_contrastive_over_two_processes_is_that_of_the_joined_batch(
    folder: Path,
    examples: list[Example],
    vocabulary: Vocabulary,
    tiny_encoder: TransformerConfig,
) -> None:
    splits = split_examples(examples, vocabulary, CONTRASTIVE)
    config = msgspec.structs.replace(SETTINGS, ema_decay=0.0)
    losses, encoder, objective = joined_batches(
        TrainingPlan(splits, vocabulary, tiny_encoder, CONTRASTIVE, config, 0)
    )
    told = [row[0] for row in rows(folder / "contrastive", "loss")]
    torch.testing.assert_close(told, losses, rtol=1e-4, atol=1e-4)
    said = json.loads((folder / "said.json").read_text())["contrastive"]
    weights = [*encoder.parameters(), *objective.parameters()]
    total = sum(float(weight.detach().double().abs().sum()) for weight in weights)
    assert said["size"][0] == pytest.approx(total, rel=1e-5)


def test_several_objectives_in_bfloat16_stay_finite_and_fall(folder: Path) -> None:
    losses = [row[0] for row in rows(folder / "both", "loss")]
    assert all(map(math.isfinite, losses))
    assert losses[-1] < losses[0]
    lines = map(json.loads, (folder / "both" / "log.jsonl").read_text().splitlines())
    names = {name for row in lines for name in row if name.startswith("loss/")}
    assert names == {"loss/contrastive", "loss/tags"}


def test_a_batch_that_is_not_finite_is_named_by_every_process(folder: Path) -> None:
    said = json.loads((folder / "said.json").read_text())["wild"]["told"][0]
    assert said.startswith("FloatingPointError: step 2")
    for words in ("process 0: train-", "process 1: train-"):
        assert words in said


@pytest.mark.slow
def test_a_run_goes_on_with_more_processes_behind_what_was_consumed(
    examples: list[Example],
    vocabulary: Vocabulary,
    tiny_encoder: TransformerConfig,
    tmp_path: Path,
) -> None:
    write_task(tmp_path, examples, vocabulary, tiny_encoder)
    splits = split_examples(examples, vocabulary, TagsConfig())
    plan = TrainingPlan(splits, vocabulary, tiny_encoder, TagsConfig(), SETTINGS, 0)
    wide = msgspec.structs.replace(plan, config=msgspec.structs.replace(SETTINGS, accumulate=2))
    for name in ("resume", "alone"):
        (tmp_path / name).mkdir()
        asked = iter([0, 0, int(signal.SIGTERM)]).__next__
        with pytest.raises(Preempted):
            alone(plan, tmp_path / name, asked)
    errors = in_two(tmp_path)
    line = "goes on after step 3 with 2 processes of 1 batches a step each, instead of 1 of 1"
    assert errors.count(line) == 1
    alone(wide, tmp_path / "alone", lambda: 0)
    names = ("step", "loss", "grad_norm", "audio_s", "epoch")
    two, one = rows(tmp_path / "resume", *names), rows(tmp_path / "alone", *names)
    torch.testing.assert_close(torch.tensor(two), torch.tensor(one), rtol=1e-6, atol=1e-6)
    assert [row[0] for row in rows(tmp_path / "resume", "processes")] == [1, 1, 1, 2, 2]
    batches = round(1 / one[0][-1])
    assert [round(row[-1] * batches) for row in two] == [1, 2, 3, 5, 7]


def test_the_world_is_read_from_the_environment() -> None:
    assert world_from_environment({}) == World(0, 1, 0)
    given = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}
    assert world_from_environment(given) == World(5, 8, 1)
    assert not World(5, 8, 1).is_first
    with pytest.raises(ConfigError, match=r"LOCAL_RANK = '' is not a number.*torchrun"):
        world_from_environment({"RANK": "0", "WORLD_SIZE": "2"})
    with pytest.raises(ConfigError, match="RANK = 2 should be below"):
        world_from_environment(given | {"RANK": "2", "WORLD_SIZE": "2"})
