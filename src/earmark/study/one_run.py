"""One run of a study, in a process of its own: its end, however it comes, is that of no other.

    python -m earmark.study.one_run RUN_FOLDER WORKSPACE

RUN_FOLDER holds recipe.json, and gets outcome.json when the run has ended.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import msgspec

from earmark.config import decode
from earmark.pipeline import run
from earmark.recipe import Recipe
from earmark.records import Row
from earmark.study.energy import start_meter
from earmark.study.results import DONE, NOT_RUN
from earmark.workspace import StageError, write_text


class Outcome(Row, frozen=True, kw_only=True):
    """How a run stands: "done", "not run" (it was cut off), or why it failed.

    `energy_wh` is that of all its attempts together.
    """

    status: str
    energy_wh: float | None = None


def read_outcome(folder: Path) -> Outcome | None:
    """Return how a run ended, None where it has not."""
    path = folder / "outcome.json"
    return msgspec.json.decode(path.read_bytes(), type=Outcome) if path.exists() else None


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Write how a run stands."""
    write_text(folder / "outcome.json", msgspec.json.encode(outcome).decode() + "\n")


def main(folder: Path, workspace: Path) -> int:
    """Go the whole way of one run; returns the process's exit code."""
    from earmark.pretrain.loop.interrupt import Preempted

    before = read_outcome(folder)
    spent = (before.energy_wh or 0.0) if before else 0.0
    write_outcome(folder, Outcome(status=NOT_RUN, energy_wh=spent or None))
    plain: Any = msgspec.json.decode((folder / "recipe.json").read_bytes())
    recipe = decode(plain, Recipe, where=str(folder))
    spent_wh = start_meter()
    status, code = DONE, 0
    try:
        run(recipe, workspace, relist=False, beside=True)
    except (StageError, FloatingPointError, ValueError, OSError) as error:
        print(f"earmark: {error}", file=sys.stderr, flush=True)
        status, code = f"failed: {error}", 1
    except (Preempted, KeyboardInterrupt):
        status, code = NOT_RUN, 130
    total_wh = spent_wh() + spent
    energy_wh = None if math.isnan(total_wh) else total_wh
    write_outcome(folder, Outcome(status=status, energy_wh=energy_wh))
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
