"""What the demo and the command line cost, against the bounds that the project promises.

    python benchmarks/demo.py

One line a figure: name, value, goal, ok or short. Exit 1 where one is short.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from earmark.workspace import Workspace

GOALS_S = {"corpus": 90.0, "whole": 360.0, "help": 1.0, "scan help": 1.0}
MEMORY_GOAL_GIB = 4.0


def earmark(*arguments: str) -> float:
    """Run the command line; return its wall time in seconds."""
    started_s = time.monotonic()
    subprocess.run([sys.executable, "-m", "earmark", *arguments], check=True, capture_output=True)
    return time.monotonic() - started_s


def main() -> int:
    figures = [
        ("help", earmark("--help"), GOALS_S["help"], "s"),
        ("scan help", earmark("scan", "--help"), GOALS_S["scan help"], "s"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        whole_s = earmark("demo", "-w", folder)
        _, stages = Workspace(Path(folder)).latest_run()
        for name, stage in stages.items():
            taken_s = float(stage.provenance()["duration_s"])
            figures.append((name, taken_s, GOALS_S.get(name, float("inf")), "s"))
    figures.append(("whole", whole_s, GOALS_S["whole"], "s"))
    # The largest single process: stages follow one another, with a process a core at most.
    peak_gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    figures.append(("peak memory", peak_gib, MEMORY_GOAL_GIB, "GiB"))
    for name, value, goal, unit in figures:
        print(f"{name} {value:.2f} {unit} {goal:g} {'ok' if value <= goal else 'short'}")
    return int(any(value > goal for _, value, goal, _ in figures))


if __name__ == "__main__":
    sys.exit(main())
