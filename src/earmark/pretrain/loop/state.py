"""The states that a killed run goes on from: state-00000200, the weights and what surrounds them.

model.safetensors, objective.safetensors, config.json, ...   a checkpoint of the last weights
optimiser.safetensors                                        the optimiser's moments
average.safetensors                                          the running average, where there is one
training.json                                                `Reached`
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from earmark.config import ConfigError
from earmark.pretrain.checkpoints.checkpoint import Checkpoint, write_checkpoint
from earmark.pretrain.checkpoints.folders import appearing
from earmark.pretrain.checkpoints.tensors import fill, read_tensors, write_tensors
from earmark.pretrain.loop.ema import Average
from earmark.pretrain.optimisers.base import Optimiser
from earmark.workspace import write_text

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
