"""What each process of test_processes.py does: python two_processes.py FOLDER, under torchrun."""

from __future__ import annotations

import hashlib
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import torch

from earmark.annotate.vocabulary import Vocabulary
from earmark.pretrain.config import PretrainConfig
from earmark.pretrain.encoders.config import TransformerConfig
from earmark.pretrain.loop.data import TrainingPlan, split_examples
from earmark.pretrain.loop.distributed import world_from_environment
from earmark.pretrain.loop.process_group import ProcessGroup, join_process_group
from earmark.pretrain.loop.signals import Preempted
from earmark.pretrain.loop.trainer import Trainer, pretrain
from earmark.pretrain.objectives.config import ContrastiveConfig, MultitaskConfig, TagsConfig
from earmark.records import Example


class Task(msgspec.Struct):
    """What to train on."""

    examples: list[Example]
    vocabulary: str
    encoder: TransformerConfig
    config: PretrainConfig
    contrastive: ContrastiveConfig


def digest(run: Trainer) -> str:
    tensors = [*run.model.encoder.state_dict().values(), *run.model.objective.state_dict().values()]
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in tensors)).hexdigest()


def size(run: Trainer) -> float:
    parameters = [*run.model.encoder.parameters(), *run.model.objective.parameters()]
    return sum(float(weight.detach().double().abs().sum()) for weight in parameters)


def trained(
    plan: TrainingPlan, folder: Path, peers: ProcessGroup, asked: Callable[[], int]
) -> dict[str, Any]:
    """Return what every process has to say of a run."""
    folder.mkdir(exist_ok=True)
    run = Trainer(plan, folder, peers, torch.device("cpu"), asked)
    told = ""
    try:
        run.finish()
    except (FloatingPointError, Preempted) as error:
        told = f"{type(error).__name__}: {error}"
    said = {"weights": digest(run), "told": told, "size": size(run)}
    return {name: peers.gather(value) for name, value in said.items()}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    task = msgspec.json.decode((folder / "task.json").read_bytes(), type=Task)
    vocabulary, world = Vocabulary.load(Path(task.vocabulary)), world_from_environment()
    if (folder / "resume").exists():
        args = (task.encoder, TagsConfig(), task.config, folder / "resume")
        pretrain(task.examples, vocabulary, *args, seed=0)
        return
    splits = split_examples(task.examples, vocabulary, TagsConfig())
    plan = TrainingPlan(splits, vocabulary, task.encoder, TagsConfig(), task.config, 0)
    calls = 0

    def second_process_at_third_step() -> int:
        nonlocal calls
        calls += 1
        return int(signal.SIGTERM) if world.rank == 1 and calls == 3 else 0

    optimizer = msgspec.structs.replace(task.config.optimizer, lr=1e38, warmup_steps=0)
    wild = msgspec.structs.replace(
        plan, config=msgspec.structs.replace(task.config, optimizer=optimizer)
    )
    mixed = MultitaskConfig(parts=(task.contrastive, TagsConfig()), weights=(1.0, 0.5))
    half = msgspec.structs.replace(task.config, precision="bfloat16")
    against = msgspec.structs.replace(plan, objective=task.contrastive)
    both = msgspec.structs.replace(plan, objective=mixed, config=half)
    with join_process_group(world, torch.device("cpu")) as peers:
        said = {
            "straight": trained(plan, folder / "straight", peers, lambda: 0),
            "stopped": trained(plan, folder / "stopped", peers, second_process_at_third_step),
            "resumed": trained(plan, folder / "stopped", peers, lambda: 0),
            "contrastive": trained(against, folder / "contrastive", peers, lambda: 0),
            "both": trained(both, folder / "both", peers, lambda: 0),
            "wild": trained(wild, folder / "wild", peers, lambda: 0),
        }
    if world.is_first:
        (folder / "said.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
