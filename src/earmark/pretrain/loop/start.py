"""What a run starts from: nothing but its plan, or the last state that it saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from earmark.annotate.vocabulary import Vocabulary
from earmark.config import ConfigError
from earmark.pretrain.build import resolved
from earmark.pretrain.checkpoint.folder import read_materials
from earmark.pretrain.checkpoints.checkpoint import read_settings
from earmark.pretrain.encoders.config import EncoderConfig
from earmark.pretrain.loop.journal import tell
from earmark.pretrain.loop.plan import Plan
from earmark.pretrain.loop.process_group import Peers
from earmark.pretrain.loop.state import Reached, latest_state, read_reached
from earmark.pretrain.supervision import Materials, gather


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
