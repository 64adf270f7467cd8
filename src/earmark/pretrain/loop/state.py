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
from earmark.pretrain.loop.average import Average
from earmark.pretrain.optimisers.base import Optimiser


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
    """

    run: str
    step: int = 0
    consumed: int = 0
    audio_s: float = 0.0
    processes: int = 1
    accumulate: int = 1
    best: float | None = None


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


def restore_state(folder: Path, kept: Kept, run: str) -> Reached:
    """Fill modules, optimiser and average from the latest state in `folder`, if there is one.

    Raises:
        ConfigError: the state belongs to another run, or is damaged.
    """
    states = _states(folder)
    if not states:
        return Reached(run=run)
    latest = states[-1]
    try:
        reached = msgspec.json.decode((latest / "training.json").read_bytes(), type=Reached)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{latest} is damaged ({error}); delete it to start afresh.") from None
    if reached.run != run:
        raise ConfigError(
            f"{latest} is the state of a run with other settings, clips, vocabulary or seed "
            f"({reached.run}, this one is {run}). Use another folder, or delete it to start afresh."
        )
    fill(kept.checkpoint.encoder, latest / "model.safetensors")
    fill(kept.checkpoint.objective, latest / "objective.safetensors")
    kept.optimiser.restore(read_tensors(latest / "optimiser.safetensors"))
    if kept.average is not None:
        kept.average.restore(read_tensors(latest / "average.safetensors"))
    return reached


def drop_states(folder: Path) -> None:
    """Delete every state, finished or half written."""
    for state in folder.glob("state-*"):
        shutil.rmtree(state)


def _states(folder: Path) -> list[Path]:
    """Return whole states, oldest first."""
    return sorted(path for path in folder.glob("state-*") if not path.suffix)
