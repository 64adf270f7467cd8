"""One run of a study, in a process of its own, so that its failure ends no other run.

    python -m earmark.study.worker RUN_FOLDER WORKSPACE

RUN_FOLDER holds recipe.json, and gets outcome.json when the run has ended. Standard input is a pipe
from whoever started it: where that is closed, the starter is gone, and the run saves its state and
stops.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec

from earmark.config import decode_config
from earmark.io import write_text
from earmark.pipeline import run
from earmark.recipe import Recipe
from earmark.records import Row
from earmark.study.energy import EnergyMeter
from earmark.study.results import DONE, NOT_RUN
from earmark.workspace import StageError

STOPPED_CODE = 130
"""The exit code of a run that was asked to stop."""


class RunOutcome(Row, frozen=True, kw_only=True):
    """How a run stands: "done", "not run" (it was cut off), or why it failed.

    `energy_wh` is that of its attempts together, but for those that were killed outright.
    """

    status: str
    energy_wh: float | None = None


def read_run_outcome(folder: Path) -> RunOutcome | None:
    """Return how a run stands, None where it has not been begun."""
    path = folder / "outcome.json"
    return msgspec.json.decode(path.read_bytes(), type=RunOutcome) if path.exists() else None


def write_run_outcome(folder: Path, outcome: RunOutcome) -> None:
    """Write how a run stands."""
    write_text(folder / "outcome.json", msgspec.json.encode(outcome).decode() + "\n")


def record_exit(folder: Path, code: int) -> None:
    """Say of a run that ended without a word how it did: by a signal, or by a fault of ours."""
    outcome = read_run_outcome(folder)
    if code in (0, STOPPED_CODE) or (outcome is not None and outcome.status != NOT_RUN):
        return
    killed = f"ended by signal {-code}" + (", perhaps for want of memory" if code == -9 else "")
    status = f"failed: {killed if code < 0 else 'broke off'}; see {folder / 'log.txt'}"
    write_run_outcome(
        folder, RunOutcome(status=status, energy_wh=outcome.energy_wh if outcome else None)
    )


def main(folder: Path, workspace: Path) -> int:
    """Go the whole way of one run; returns the process's exit code."""
    from earmark.pretrain.loop.signals import Preempted

    before = read_run_outcome(folder)
    spent_wh = (before.energy_wh or 0.0) if before else 0.0
    write_run_outcome(folder, RunOutcome(status=NOT_RUN, energy_wh=spent_wh or None))
    plain: Any = msgspec.json.decode((folder / "recipe.json").read_bytes())
    status, code = DONE, 0
    with EnergyMeter() as meter:
        try:
            recipe = decode_config(plain, Recipe, where=str(folder))
            run(recipe, workspace, relist=False, wait=True, record=False)
        except (StageError, FloatingPointError, ValueError, OSError) as error:
            print(f"earmark: {error}", file=sys.stderr, flush=True)
            status, code = f"failed: {error}", 1
        except (Preempted, KeyboardInterrupt):
            status, code = NOT_RUN, STOPPED_CODE
    total_wh = meter.spent_wh() + spent_wh
    energy_wh = None if math.isnan(total_wh) else total_wh
    write_run_outcome(folder, RunOutcome(status=status, energy_wh=energy_wh))
    return code


def _stop_with_starter() -> None:
    """Ask this process to stop once nobody holds the other end of its standard input."""

    def watch() -> None:
        while os.read(0, 1):  # sys.stdin would be locked as the interpreter ends
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    _stop_with_starter()
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
