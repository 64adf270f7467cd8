"""The state of a run: what it starts from, what it trains, and what a killed run resumes from.

A state is a folder such as state-00000200:

model.safetensors, objective.safetensors, config.json, ...   a checkpoint of the last weights
optimiser.safetensors                                        the optimizer's moments
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
from earmark.pretrain.build import build_encoder, build_objective, resolved
from earmark.pretrain.checkpoint.checkpoint import (
    Checkpoint,
    appearing,
    fill,
    read_tensors,
    write_checkpoint,
    write_tensors,
)
from earmark.pretrain.checkpoint.folder import read_materials, read_settings
from earmark.pretrain.encoders.config import EncoderConfig
from earmark.pretrain.loop.data import Plan
from earmark.pretrain.loop.ema import Average
from earmark.pretrain.loop.process_group import Peers
from earmark.pretrain.objectives.targets import Materials, gather
from earmark.pretrain.optim.optimizers import Optimiser, build_optimiser

RUN = "run.txt"
"""In the folder of a finished run: the fingerprint of all that shaped it."""


class Reached(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a run is (training.json).

    Args:
        run: fingerprint of all that shapes the run.
        step: finished steps.
        consumed: micro-batches that all processes have used up.
        audio_s: seconds of audio that they heard.
        processes: that made the last step.
        accumulate: micro-batches of each process in it.
        best: score of the best checkpoint, None before there is one.
        owes_validation: whether the step's validation was put off, to save the state soon.
    """

    run: str
    step: int = 0
    consumed: int = 0
    audio_s: float = 0.0
    processes: int = 1
    accumulate: int = 1
    best: float | None = None
    owes_validation: bool = False


@dataclass(frozen=True)
class Kept:
    """What a state is of; `average` where the run keeps one."""

    checkpoint: Checkpoint
    optimiser: Optimiser
    average: Average | None


def save_state(folder: Path, kept: Kept, reached: Reached) -> None:
    """Write the state of a step, whole or not at all, and then drop older ones."""
    target = folder / f"state-{reached.step:08d}"
    if not target.exists():
        with appearing(target) as temporary:
            write_checkpoint(kept.checkpoint, temporary)
            write_tensors(temporary / "optimiser.safetensors", kept.optimiser.tensors())
            if kept.average is not None:
                write_tensors(temporary / "average.safetensors", kept.average.tensors())
            (temporary / "training.json").write_bytes(msgspec.json.encode(reached))
    for state in _states(folder):
        if state != target:
            shutil.rmtree(state)


def latest_state(folder: Path) -> Path | None:
    """Return the folder of the state that a run goes on from, None where there is none."""
    return max(_states(folder), default=None)


def read_reached(state: Path, run: str) -> Reached:
    """Read how far the run of a state is.

    Raises:
        ConfigError: the state belongs to another run than the one of fingerprint `run`, or is
            damaged.
    """
    try:
        reached = msgspec.json.decode((state / "training.json").read_bytes(), type=Reached)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{state} is damaged ({error}); delete it to start afresh.") from None
    if reached.run != run:
        raise ConfigError(_of_another_run(f"{state} is the state", reached.run, run))
    return reached


def restore(state: Path, kept: Kept) -> None:
    """Fill modules, optimiser and average from a state.

    Raises:
        ConfigError: a file is missing, damaged, or does not fit.
    """
    fill(kept.checkpoint.encoder, state / "model.safetensors")
    fill(kept.checkpoint.objective, state / "objective.safetensors")
    kept.optimiser.restore(read_tensors(state / "optimiser.safetensors"))
    if kept.average is not None:
        kept.average.restore(read_tensors(state / "average.safetensors"))


def mark_finished(folder: Path, run: str) -> None:
    """Write into a run's folder which run it is of, by its fingerprint."""
    write_text(folder / RUN, f"{run}\n")


def check_finished(folder: Path, run: str) -> None:
    """Make sure that a finished run's folder is that of fingerprint `run`.

    Raises:
        ConfigError: it is another's.
    """
    path = folder / RUN
    written = path.read_text("utf-8").strip() if path.exists() else "not known"
    if written != run:
        raise ConfigError(_of_another_run(f"{folder} holds the checkpoint", written, run))


def _of_another_run(what: str, written: str, run: str) -> str:
    return (
        f"{what} of a run with other settings, clips, vocabulary or seed ({written}, this one is "
        f"{run}). Use another folder, or delete it to start afresh."
    )


def drop_states(folder: Path) -> None:
    """Delete every state, finished or half written."""
    for state in folder.glob("state-*"):
        shutil.rmtree(state)


def _states(folder: Path) -> list[Path]:
    """Return whole states, oldest first."""
    return sorted(path for path in folder.glob("state-*") if not path.suffix)


@dataclass(frozen=True)
class Start:
    """The same in every process.

    Args:
        reached: how far the run is, with the numbers of this start's processes.
        encoder: settings that an encoder can be built from without a model hub.
        materials: what the objective is built from.
        state: where weights and all that surrounds them are read from, None for fresh ones.
    """

    reached: Reached
    encoder: EncoderConfig
    materials: Materials
    state: Path | None


def find_start(plan: Plan, folder: Path, peers: Peers) -> Start:
    """Return what a run starts from.

    Classes and word pieces are gathered from the corpus, and models asked for by name, by the first
    process of a fresh run alone; a run that goes on reads them from its state.

    Raises:
        ConfigError: the state belongs to another run, or is damaged.
        RuntimeError: the processes read different states.
    """
    state = latest_state(folder)
    run = plan.fingerprint()
    reached = Reached(run=run) if state is None else read_reached(state, run)
    _check_same(peers.gather(reached), folder)
    now = msgspec.structs.replace(
        reached, processes=peers.world.size, accumulate=plan.config.accumulate
    )
    if state is None:
        return Start(now, *peers.from_first(lambda: _gathered(plan)), None)
    if peers.world.is_first and now != reached:
        _tell_of_change(reached, now)
    written = Vocabulary.load(state / "vocabulary.json").fingerprint
    if written != plan.vocabulary.fingerprint:
        raise ConfigError(
            f"{state} has vocabulary {written}, the run {plan.vocabulary.fingerprint}: its files "
            "are of different runs. Delete it to start afresh."
        )
    return Start(now, read_settings(state).encoder, read_materials(state), state)


def _gathered(plan: Plan) -> tuple[EncoderConfig, Materials]:
    return resolved(plan.encoder), gather(plan.splits.train, plan.vocabulary, plan.objective)


def _check_same(everyone: list[Reached], folder: Path) -> None:
    if len(set(everyone)) > 1:
        steps = ", ".join(str(each.step) for each in everyone)
        raise RuntimeError(
            f"the processes read different states in {folder} (steps {steps}). They should be "
            "started on one folder, on a disk that all of them share."
        )


def _tell_of_change(reached: Reached, now: Reached) -> None:
    tell(
        f"goes on after step {reached.step} with {now.processes} processes of "
        f"{now.accumulate} batches a step each, instead of {reached.processes} of "
        f"{reached.accumulate}; the next batches are those behind the "
        f"{reached.consumed} that were consumed."
    )


class Model:
    """What is trained, fresh or as the last state has it.

    Args:
        plan: of the run.
        start: what it starts from.
        device: where the weights lie.
        averages: whether this process keeps the running average, where the run has one.

    Attributes:
        encoder: the weights of the last step; the same in every process.
        objective: likewise.
        optimiser: of both.
        average: None where none is kept.
    """

    def __init__(self, plan: Plan, start: Start, device: torch.device, *, averages: bool) -> None:
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
        self.optimiser = build_optimiser(self.encoder, self.objective, plan.config)
        self.average = None
        if averages and plan.config.ema_decay:
            self.average = Average(self.encoder, self.objective, plan.config.ema_decay)
        if start.state is not None:
            restore(start.state, self.kept(start.reached.step))

    @property
    def leaves_parameters_out(self) -> bool:
        """Whether some parameter may get no gradient from a batch."""
        return self.encoder.leaves_parameters_out or self.objective.leaves_parameters_out

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

    def kept(self, step: int) -> Kept:
        """Return what the state of a step is of."""
        return Kept(self.latest(step), self.optimiser, self.average)


def tell(line: str) -> None:
    """Print a line that people should see, whether they watch a bar or a log."""
    print(f"pretrain: {line}", file=sys.stderr, flush=True)
