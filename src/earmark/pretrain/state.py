"""The states that a killed run goes on from: state-00000200, a checkpoint and what surrounds it."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from earmark.config import ConfigError
from earmark.pretrain.checkpoint import (
    Checkpoint,
    appearing,
    fill,
    read_tensors,
    write_checkpoint,
    write_tensors,
)
from earmark.pretrain.optimiser import Optimiser


class Reached(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a run is (training.json).

    `run` is the fingerprint of all that shapes it, `step` counts finished steps, `audio_s` the
    seconds of audio that they heard.
    """

    run: str
    step: int = 0
    audio_s: float = 0.0


def save_state(
    folder: Path, checkpoint: Checkpoint, optimiser: Optimiser, reached: Reached
) -> None:
    """Write the state of a step, whole or not at all, and then drop older ones."""
    target = _path(folder, reached.step)
    if not target.exists():
        with appearing(target) as temporary:
            write_checkpoint(checkpoint, temporary)
            write_tensors(temporary / "optimiser.safetensors", optimiser.tensors())
            (temporary / "training.json").write_bytes(msgspec.json.encode(reached))
    for state in _states(folder):
        if state != target:
            shutil.rmtree(state)


def restore_state(folder: Path, checkpoint: Checkpoint, optimiser: Optimiser, run: str) -> Reached:
    """Fill modules and optimiser from the latest state in `folder`, if there is one.

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
    fill(checkpoint.encoder, latest / "model.safetensors")
    fill(checkpoint.objective, latest / "objective.safetensors")
    optimiser.restore(read_tensors(latest / "optimiser.safetensors"))
    return reached


def drop_states(folder: Path) -> None:
    """Delete every state, finished or half written."""
    for state in folder.glob("state-*"):
        shutil.rmtree(state)


def _path(folder: Path, step: int) -> Path:
    return folder / f"state-{step:08d}"


def _states(folder: Path) -> list[Path]:
    """Return whole states, oldest first."""
    return sorted(path for path in folder.glob("state-*") if path.suffix != ".tmp")
