"""The training section: the run's log.jsonl as curves, and the few numbers that sum it up.

Rows of the log have "step", "split" and "loss"; every other number is taken by its name, so that
the scores of any objective can be shown. Older logs have fewer of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from jaxtyping import Float64

from earmark.pretrain.checkpoint.folder import count_parameters
from earmark.pretrain.objectives.targets import TargetSpecs
from earmark.pretrain.text.config import TextStats
from earmark.report.run import RunData

MAX_POINTS = 600


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
        row = _parse_row(msgspec.json.decode(line, type=dict[str, Any]))
        rows[row.split, row.step] = row
    return sorted(rows.values(), key=lambda row: (row.step, row.split))


def value_names(rows: Sequence[LogRow], wanted: Callable[[str], bool]) -> list[str]:
    """Return the names of values in the order in which they first come."""
    return [name for name in dict.fromkeys(n for row in rows for n in row.values) if wanted(name)]


def value_curve(rows: Sequence[LogRow], name: str) -> Curve:
    """Return a value by step, where there is one."""
    return to_curve([(row.step, row.values[name]) for row in rows if name in row.values])


def to_curve(points: Sequence[tuple[int, float]]) -> Curve:
    """Return (step, value) pairs as a curve."""
    steps, values = zip(*points, strict=True) if points else ((), ())
    return Curve(np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64))


def thin_curve(curve: Curve) -> Curve:
    """Average neighbouring points until a plot of them is small: at most `MAX_POINTS`."""
    points = len(curve.steps)
    if points <= MAX_POINTS:
        return curve
    edges = np.linspace(0, points, MAX_POINTS + 1).astype(int)[:-1]
    sizes = np.diff(np.append(edges, points))
    return Curve(
        np.add.reduceat(curve.steps, edges) / sizes, np.add.reduceat(curve.values, edges) / sizes
    )


def _parse_row(plain: dict[str, Any]) -> LogRow:
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


LOSS_PREFIX = "loss/"

WEIGHT_PREFIX = "loss/weight/"


@dataclass(frozen=True)
class ParallelLayout:
    """From `step` on, how many processes shared a step, and how many batches of each made it up."""

    step: int
    processes: int
    accumulate: int


@dataclass(frozen=True)
class TrainingRun:
    """A training run.

    `parts` are the losses that make up the training loss, where there are several, `weights` those
    that a multi-task objective has learnt; `scores` the validation scores beside the loss. `chosen`
    names the score by which the best checkpoint is kept, `best_step` its step. What an older log
    does not tell is None or empty; `padding` and `data_wait` are shares from 0 to 1.
    """

    train: Curve
    validation: Curve
    steps: int
    parts: Mapping[str, Curve] = field(default_factory=dict[str, Curve])
    weights: Mapping[str, float] = field(default_factory=dict[str, float])
    scores: Mapping[str, Curve] = field(default_factory=dict[str, Curve])
    chosen: str = "loss"
    best_step: int | None = None
    epochs: float | None = None
    audio_s: float | None = None
    audio_s_per_s: float | None = None
    padding: float | None = None
    data_wait: float | None = None
    memory_gib: float | None = None
    layouts: Sequence[ParallelLayout] = ()
    parameters: int | None = None
    texts: Sequence[TextStats] = ()

    @property
    def drawn(self) -> str:
        """The score that is drawn beside the loss: the chosen one, else the first; "" for none."""
        several = [name for name, curve in self.scores.items() if len(curve.steps) > 1]
        return self.chosen if self.chosen in several else (several or [""])[0]


def read_training(found: RunData) -> TrainingRun | None:
    """Return the curves of the pretrain stage, or None where it has not finished."""
    path = found.file("pretrain", "log.jsonl")
    if path is None:
        return None
    rows = read_log(path)
    train = [row for row in rows if row.split == "train"]
    validation = [row for row in rows if row.split == "validation"]
    weights = found.file("pretrain", "checkpoint/model.safetensors")
    return TrainingRun(
        train=thin_curve(to_curve([(row.step, row.loss) for row in train])),
        validation=thin_curve(to_curve([(row.step, row.loss) for row in validation])),
        parts=read_parts(train),
        weights=_latest_values(train, WEIGHT_PREFIX),
        scores=read_scores(validation),
        chosen=_selection_score(validation),
        best_step=_best_step(found.file("pretrain", "best/config.json")),
        steps=max((row.step for row in rows), default=0),
        epochs=_summarize(train, "epoch", np.max),
        audio_s=_summarize(train, "audio_s", np.max),
        audio_s_per_s=_summarize(train, "audio_s_per_s", np.median),
        padding=_summarize(train, "padding", np.mean),
        data_wait=_summarize(train, "data_wait", np.mean),
        memory_gib=_summarize(train, "memory_gib", np.max) or None,
        layouts=read_layouts(train),
        parameters=count_parameters(weights) if weights else None,
        texts=_text_facts(found.file("pretrain", "checkpoint/materials.json")),
    )


def read_parts(train: Sequence[LogRow]) -> dict[str, Curve]:
    """Return the losses by part, where there is more than one."""
    names = value_names(
        train, lambda name: name.startswith(LOSS_PREFIX) and not name.startswith(WEIGHT_PREFIX)
    )
    curves = {
        name.removeprefix(LOSS_PREFIX): thin_curve(value_curve(train, name)) for name in names
    }
    return curves if len(curves) > 1 else {}


def read_scores(validation: Sequence[LogRow]) -> dict[str, Curve]:
    """Return what was measured on the validation split beside the loss, by name."""
    return {name: value_curve(validation, name) for name in value_names(validation, lambda _: True)}


def read_layouts(train: Sequence[LogRow]) -> list[ParallelLayout]:
    """Return each layout that the run had, from the first row on which it is told."""
    layouts: list[ParallelLayout] = []
    for row in train:
        if "processes" not in row.values:
            continue
        now = int(row.values["processes"]), int(row.values.get("accumulate", 1))
        if not layouts or (layouts[-1].processes, layouts[-1].accumulate) != now:
            layouts.append(ParallelLayout(row.step, *now))
    return layouts


def _selection_score(validation: Sequence[LogRow]) -> str:
    """Return the score that chooses; logs that do not tell it are of tag classification."""
    told = [row.selects for row in validation if row.selects]
    if told:
        return told[-1]
    return "map" if any("map" in row.values for row in validation) else "loss"


def _best_step(config: Path | None) -> int | None:
    return None if config is None else int(msgspec.json.decode(config.read_bytes())["step"])


def _text_facts(materials: Path | None) -> list[TextStats]:
    if materials is None:
        return []
    parts = msgspec.json.decode(materials.read_bytes(), type=TargetSpecs).parts
    return [part.words.facts for part in parts if part.words is not None]


def _latest_values(rows: Sequence[LogRow], prefix: str) -> dict[str, float]:
    """Return the latest of each value whose name starts with `prefix`, by the rest of its name."""
    names = value_names(rows, lambda name: name.startswith(prefix))
    return {name.removeprefix(prefix): float(value_curve(rows, name).values[-1]) for name in names}


def _summarize(
    rows: Sequence[LogRow], name: str, how: Callable[[Float64[np.ndarray, " rows"]], Any]
) -> float | None:
    """Return the median, mean or maximum of a value over the rows that have it."""
    values = value_curve(rows, name).values
    return float(how(values)) if len(values) else None
