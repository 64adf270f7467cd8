"""The training log: losses by step, and the few numbers that sum it up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Float64

from .stages import Finished

MOST_POINTS = 600


class LogRow(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a log.jsonl row that the report reads; rows may hold more."""

    step: int
    split: str
    loss: float
    audio_s: float | None = None
    audio_s_per_s: float | None = None
    map: float | None = None


@dataclass(frozen=True)
class Curve:
    """Values by step, both of one length."""

    steps: Float64[np.ndarray, " points"]
    values: Float64[np.ndarray, " points"]


@dataclass(frozen=True)
class Training:
    """A training run; `precision` is the validation mAP, empty where it was not measured."""

    train: Curve
    validation: Curve
    precision: Curve
    steps: int
    audio_s_per_s: float | None
    parameters: int | None


def read_training(found: Finished) -> Training | None:
    """Return the curves of the pretrain stage, or None where it has not finished."""
    path = found.file("pretrain", "log.jsonl")
    if path is None:
        return None
    rows = read_log(path)
    train = [row for row in rows if row.split == "train"]
    validation = [row for row in rows if row.split == "validation"]
    speeds = [row.audio_s_per_s for row in train if row.audio_s_per_s is not None]
    weights = found.file("pretrain", "checkpoint/model.safetensors")
    return Training(
        train=thin(_curve([(row.step, row.loss) for row in train])),
        validation=thin(_curve([(row.step, row.loss) for row in validation])),
        precision=thin(_curve([(r.step, r.map) for r in validation if r.map is not None])),
        steps=max((row.step for row in rows), default=0),
        audio_s_per_s=float(np.median(speeds)) if speeds else None,
        parameters=count_parameters(weights) if weights else None,
    )


def read_log(path: Path) -> list[LogRow]:
    """Read a log, oldest step first; of a step logged twice (a killed run) the later row counts."""
    rows = dict[tuple[str, int], LogRow]()
    for line in path.read_bytes().splitlines():
        row = msgspec.json.decode(line, type=LogRow)
        rows[row.split, row.step] = row
    return sorted(rows.values(), key=lambda row: (row.step, row.split))


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


def count_parameters(path: Path) -> int:
    """Return how many numbers a safetensors file holds, from its header alone."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return sum(int(np.prod(file.get_slice(name).get_shape())) for name in file.keys())  # noqa: SIM118


def _curve(points: Sequence[tuple[int, float]]) -> Curve:
    steps, values = zip(*points, strict=True) if points else ((), ())
    return Curve(np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64))
