"""The state of a run: what it starts from, what it trains, and what a killed run resumes from.

A state is a folder such as state-00000200:

model.safetensors, objective.safetensors, config.json, ...   a checkpoint of the last weights
optimizer.safetensors                                        the optimizer's moments
average.safetensors                                          the EMA weights, where there are any
training.json                                                `TrainState`
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch

from earmark.annotate.vocabulary import Vocabulary
from earmark.config import ConfigError
from earmark.io import write_text
from earmark.pretrain.build import build_encoder, build_objective, resolve_encoder_config
from earmark.pretrain.checkpoint.checkpoint import (
    Checkpoint,
    atomic_folder,
    load_weights,
    read_tensors,
    write_checkpoint,
    write_tensors,
)
from earmark.pretrain.checkpoint.folder import read_checkpoint_config, read_target_specs
from earmark.pretrain.encoders.config import EncoderConfig
from earmark.pretrain.loop.data import TrainingPlan
from earmark.pretrain.loop.ema import ModelEma
from earmark.pretrain.loop.process_group import ProcessGroup
from earmark.pretrain.objectives.targets import TargetSpecs, collect_target_specs
from earmark.pretrain.optim.optimizers import Optimizer, build_optimizer

RUN_FILE = "run.txt"
"""In the folder of a finished run: the fingerprint of all that shaped it."""


class TrainState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a run is (training.json).

    Args:
        run: fingerprint of all that shapes the run.
        step: finished steps.
        consumed: micro-batches that all processes have used up.
        audio_s: seconds of audio that they heard.
        processes: that made the last step.
        accumulate: micro-batches of each process in it.
        best: score of the best checkpoint, None before there is one.
        validation_pending: whether the step's validation was put off, to save the state soon.
    """

    run: str
    step: int = 0
    consumed: int = 0
    audio_s: float = 0.0
    processes: int = 1
    accumulate: int = 1
    best: float | None = None
    validation_pending: bool = False


@dataclass(frozen=True)
class TrainingObjects:
    """What a state is of; `average` where the run keeps one."""

    checkpoint: Checkpoint
    optimizer: Optimizer
    average: ModelEma | None


def save_state(folder: Path, kept: TrainingObjects, reached: TrainState) -> None:
    """Write the state of a step, whole or not at all, and then drop older ones."""
    target = folder / f"state-{reached.step:08d}"
    if not target.exists():
        with atomic_folder(target) as temporary:
            write_checkpoint(kept.checkpoint, temporary)
            write_tensors(temporary / "optimizer.safetensors", kept.optimizer.tensors())
            if kept.average is not None:
                write_tensors(temporary / "average.safetensors", kept.average.tensors())
            (temporary / "training.json").write_bytes(msgspec.json.encode(reached))
    for state in _list_states(folder):
        if state != target:
            shutil.rmtree(state)


def find_latest_state(folder: Path) -> Path | None:
    """Return the folder of the state that a run goes on from, None where there is none."""
    return max(_list_states(folder), default=None)


def read_train_state(state: Path, run: str) -> TrainState:
    """Read how far the run of a state is.

    Raises:
        ConfigError: the state belongs to another run than the one of fingerprint `run`, or is
            damaged.
    """
    try:
        reached = msgspec.json.decode((state / "training.json").read_bytes(), type=TrainState)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{state} is damaged ({error}); delete it to start afresh.") from None
    if reached.run != run:
        raise ConfigError(_other_run_message(f"{state} is the state", reached.run, run))
    return reached


def restore_state(state: Path, kept: TrainingObjects) -> None:
    """Fill modules, optimizer and average from a state.

    Raises:
        ConfigError: a file is missing, damaged, or does not fit.
    """
    load_weights(kept.checkpoint.encoder, state / "model.safetensors")
    load_weights(kept.checkpoint.objective, state / "objective.safetensors")
    kept.optimizer.restore(read_tensors(state / "optimizer.safetensors"))
    if kept.average is not None:
        kept.average.restore(read_tensors(state / "average.safetensors"))


def mark_finished(folder: Path, run: str) -> None:
    """Write into a run's folder which run it is of, by its fingerprint."""
    write_text(folder / RUN_FILE, f"{run}\n")


def check_finished(folder: Path, run: str) -> None:
    """Make sure that a finished run's folder is that of fingerprint `run`.

    Raises:
        ConfigError: it is another's.
    """
    path = folder / RUN_FILE
    written = path.read_text("utf-8").strip() if path.exists() else "not known"
    if written != run:
        raise ConfigError(_other_run_message(f"{folder} holds the checkpoint", written, run))


def _other_run_message(what: str, written: str, run: str) -> str:
    return (
        f"{what} of a run with other settings, clips, vocabulary or seed ({written}, this one is "
        f"{run}). Use another folder, or delete it to start afresh."
    )


def delete_states(folder: Path) -> None:
    """Delete every state, finished or half written."""
    for state in folder.glob("state-*"):
        shutil.rmtree(state)


def _list_states(folder: Path) -> list[Path]:
    """Return whole states, oldest first."""
    return sorted(path for path in folder.glob("state-*") if not path.suffix)


@dataclass(frozen=True)
class StartPoint:
    """The same in every process.

    Args:
        reached: how far the run is, with the numbers of this start's processes.
        encoder: settings that an encoder can be built from without a model hub.
        materials: what the objective is built from.
        state: where weights and all that surrounds them are read from, None for fresh ones.
    """

    reached: TrainState
    encoder: EncoderConfig
    materials: TargetSpecs
    state: Path | None


def find_start_point(plan: TrainingPlan, folder: Path, peers: ProcessGroup) -> StartPoint:
    """Return what a run starts from.

    Classes and word pieces are gathered from the corpus, and models asked for by name, by the first
    process of a fresh run alone; a run that goes on reads them from its state.

    Raises:
        ConfigError: the state belongs to another run, or is damaged.
        RuntimeError: the processes read different states.
    """
    state = find_latest_state(folder)
    run = plan.fingerprint()
    reached = TrainState(run=run) if state is None else read_train_state(state, run)
    _check_same_state(peers.gather(reached), folder)
    now = msgspec.structs.replace(
        reached, processes=peers.world.size, accumulate=plan.config.accumulate
    )
    if state is None:
        return StartPoint(now, *peers.from_first(lambda: _prepare_fresh_run(plan)), None)
    if peers.world.is_first and now != reached:
        _log_process_change(reached, now)
    written = Vocabulary.load(state / "vocabulary.json").fingerprint
    if written != plan.vocabulary.fingerprint:
        raise ConfigError(
            f"{state} has vocabulary {written}, the run {plan.vocabulary.fingerprint}: its files "
            "are of different runs. Delete it to start afresh."
        )
    return StartPoint(now, read_checkpoint_config(state).encoder, read_target_specs(state), state)


def _prepare_fresh_run(plan: TrainingPlan) -> tuple[EncoderConfig, TargetSpecs]:
    return resolve_encoder_config(plan.encoder), collect_target_specs(
        plan.splits.train, plan.vocabulary, plan.objective
    )


def _check_same_state(everyone: list[TrainState], folder: Path) -> None:
    if len(set(everyone)) > 1:
        steps = ", ".join(str(each.step) for each in everyone)
        raise RuntimeError(
            f"the processes read different states in {folder} (steps {steps}). They should be "
            "started on one folder, on a disk that all of them share."
        )


def _log_process_change(reached: TrainState, now: TrainState) -> None:
    log_line(
        f"goes on after step {reached.step} with {now.processes} processes of "
        f"{now.accumulate} batches a step each, instead of {reached.processes} of "
        f"{reached.accumulate}; the next batches are those behind the "
        f"{reached.consumed} that were consumed."
    )


class TrainableModel:
    """What is trained, fresh or as the last state has it.

    Args:
        plan: of the run.
        start: what it starts from.
        device: where the weights lie.
        averages: whether this process keeps the running average, where the run has one.

    Attributes:
        encoder: the weights of the last step; the same in every process.
        objective: likewise.
        optimizer: of both.
        average: None where none is kept.
    """

    def __init__(
        self, plan: TrainingPlan, start: StartPoint, device: torch.device, *, averages: bool
    ) -> None:
        self._plan, self._start = plan, start
        fresh = start.state is None
        self.encoder = build_encoder(start.encoder, seed=plan.seed, pretrained=fresh).to(device)
        self.encoder.checkpoint_activations = plan.config.checkpoint_activations
        self.objective = build_objective(
            plan.objective,
            start.materials,
            dim=self.encoder.dim,
            seed=plan.seed,
            pretrained=fresh,
        ).to(device)
        self.optimizer = build_optimizer(self.encoder, self.objective, plan.config)
        self.average = None
        if averages and plan.config.ema_decay:
            self.average = ModelEma(self.encoder, self.objective, plan.config.ema_decay)
        if start.state is not None:
            restore_state(start.state, self.training_objects(start.reached.step))

    @property
    def has_unused_parameters(self) -> bool:
        """Whether some parameter may get no gradient from a batch."""
        return self.encoder.has_unused_parameters or self.objective.has_unused_parameters

    def latest(self, step: int) -> Checkpoint:
        """Return the model with the weights of the last step, which is `step`."""
        plan = self._plan
        return Checkpoint(
            self.encoder,
            self.objective,
            plan.vocabulary,
            self._start.materials,
            self._start.encoder,
            plan.objective,
            step,
        )

    def used(self, step: int) -> Checkpoint:
        """Return the model as it is used: the running average, where there is one."""
        latest = self.latest(step)
        if self.average is None:
            return latest
        return dataclasses.replace(
            latest, encoder=self.average.encoder, objective=self.average.objective
        )

    def training_objects(self, step: int) -> TrainingObjects:
        """Return what the state of a step is of."""
        return TrainingObjects(self.latest(step), self.optimizer, self.average)


def log_line(line: str) -> None:
    """Print a line that people should see, whether they watch a bar or a log."""
    print(f"pretrain: {line}", file=sys.stderr, flush=True)
