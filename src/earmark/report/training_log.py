"""log.jsonl of a training run: its rows, and curves made of them.

Rows have "step", "split" and "loss"; whatever else is a number is taken by its name, so that the
scores of any objective can be shown. Older logs have fewer of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from jaxtyping import Float64

MOST_POINTS = 600


@dataclass(frozen=True)
class LogRow:
    """A row: `values` are its other numbers, `selects` the score that chooses a checkpoint."""

    step: int
    split: str
    loss: float
    values: Mapping[str, float] = field(default_factory=dict[str, float])
    selects: str = ""


@dataclass(frozen=True)
class Curve:
    """Values by step, both of one length."""

    steps: Float64[np.ndarray, " points"]
    values: Float64[np.ndarray, " points"]

    def at(self, step: int) -> float | None:
        """Return the value at a step, None where there is none."""
        found = self.values[self.steps == step]
        return float(found[-1]) if len(found) else None


def read_log(path: Path) -> list[LogRow]:
    """Read a log, oldest step first; of a step logged twice (a killed run) the later row counts."""
    rows = dict[tuple[str, int], LogRow]()
    for line in path.read_bytes().splitlines():
        row = _row(msgspec.json.decode(line, type=dict[str, Any]))
        rows[row.split, row.step] = row
    return sorted(rows.values(), key=lambda row: (row.step, row.split))


def names_of(rows: Sequence[LogRow], wanted: Callable[[str], bool]) -> list[str]:
    """Return the names of values in the order in which they first come."""
    return [name for name in dict.fromkeys(n for row in rows for n in row.values) if wanted(name)]


def values_of(rows: Sequence[LogRow], name: str) -> Curve:
    """Return a value by step, where there is one."""
    return curve_of([(row.step, row.values[name]) for row in rows if name in row.values])


def curve_of(points: Sequence[tuple[int, float]]) -> Curve:
    """Return (step, value) pairs as a curve."""
    steps, values = zip(*points, strict=True) if points else ((), ())
    return Curve(np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64))


def thin(curve: Curve) -> Curve:
    """Average neighbouring points until a plot of them is small: at most `MOST_POINTS`."""
    points = len(curve.steps)
    if points <= MOST_POINTS:
        return curve
    edges = np.linspace(0, points, MOST_POINTS + 1).astype(int)[:-1]
    sizes = np.diff(np.append(edges, points))
    return Curve(
        np.add.reduceat(curve.steps, edges) / sizes, np.add.reduceat(curve.values, edges) / sizes
    )


def _row(plain: dict[str, Any]) -> LogRow:
    known = {"step", "split", "loss", "selects"}
    numbers = {
        name: float(value)
        for name, value in plain.items()
        if name not in known and isinstance(value, int | float)
    }
    loss = plain["loss"]
    return LogRow(
        step=plain["step"],
        split=plain["split"],
        loss=float("nan") if loss is None else float(loss),  # JSON has no NaN
        values=numbers,
        selects=plain.get("selects", ""),
    )
