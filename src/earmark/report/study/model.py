"""A study's cells by arm and measure, and what their intervals decide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from earmark.evaluate.base import OK
from earmark.report.formatting import probe_order
from earmark.report.scores import TRAINED
from earmark.study.results import DONE, Cell, Difference, Run, Study

Judgment = Literal["better", "worse", "undecided", "alone", "none"]
"""Of an arm against another; "alone" has a value but no difference, "none" has no value."""


@dataclass(frozen=True)
class Measure:
    """One column of the study: a task, how it is asked, and in what it is measured."""

    task: str
    probe: str
    shots: int
    metric: str


@dataclass(frozen=True)
class StudyModel:
    """A study with its cells at hand."""

    study: Study

    @cached_property
    def arms(self) -> tuple[str, ...]:
        """Return every arm, the base arm first."""
        return tuple(self.study.design.arms)

    @property
    def base(self) -> str:
        """Return the arm that the others are held against."""
        return self.study.design.base

    @cached_property
    def measures(self) -> tuple[Measure, ...]:
        """Return what was measured of trained encoders, by probe and then as it was found."""
        every = dict.fromkeys(_measure_of(c) for c in self.study.cells if c.encoder == TRAINED)
        return tuple(sorted(every, key=lambda measure: probe_order(measure.probe)))

    @cached_property
    def headline(self) -> tuple[Measure, ...]:
        """Return the measures that verdicts count: linear probes on all clips, else all others."""
        linear = self.of("linear")
        return linear or tuple(measure for measure in self.measures if measure.shots == 0)

    @cached_property
    def failed(self) -> tuple[Run, ...]:
        """Return the runs that did not go the whole way."""
        return tuple(run for run in self.study.runs if run.status != DONE)

    @cached_property
    def compared(self) -> tuple[Cell, ...]:
        """Return the differences to the base arm that verdicts count."""
        cells = (self.cell(arm, measure) for arm in self.arms for measure in self.headline)
        return tuple(c for c in cells if c is not None and judge_cell(c) not in ("alone", "none"))

    @property
    def intervals(self) -> int:
        """Return how many of them have an interval: each is one chance to exclude zero."""
        return sum(not math.isnan(cell.difference_low) for cell in self.compared)

    @cached_property
    def _cells(self) -> dict[tuple[str, str, Measure], Cell]:
        return {(cell.encoder, cell.arm, _measure_of(cell)): cell for cell in self.study.cells}

    @cached_property
    def _differences(self) -> dict[tuple[str, str, str, Measure], Difference]:
        return {(d.axis, d.arm, d.base, _measure_of(d)): d for d in self.study.differences}

    @cached_property
    def _lower(self) -> frozenset[Measure]:
        return frozenset(_measure_of(cell) for cell in self.study.cells if cell.lower_is_better)

    @property
    def _axes(self) -> tuple[str, ...]:
        return tuple(self.study.design.axes)

    def of(self, probe: str, shots: int = 0) -> tuple[Measure, ...]:
        """Return the measures of one probe."""
        return tuple(m for m in self.measures if (m.probe, m.shots) == (probe, shots))

    def cell(self, arm: str, measure: Measure) -> Cell | None:
        """Return an arm's cell, or None where there is none."""
        return self._cells.get((TRAINED, arm, measure))

    def difference(self, axis: str, arm: str, base: str, measure: Measure) -> Difference | None:
        """Return how far an arm is from one that differs from it on an axis alone."""
        return self._differences.get((axis, arm, base, measure))

    def seeds_of(self, cell: Cell) -> int:
        """Return the seeds behind a cell's difference to the base arm, as far as is known."""
        pairs = (self.difference(a, cell.arm, self.base, _measure_of(cell)) for a in self._axes)
        shared = [pair.seeds for pair in pairs if pair is not None and pair.status == OK]
        return min([cell.seeds, *shared])

    def told_seeds(self, seeds: int) -> str:
        """Return "2 of 3 seeds" where a value lacks some of the planned ones, else ""."""
        planned = len(self.study.design.seeds)
        return f"{seeds} of {planned} seeds" if seeds < planned else ""

    def lower_is_better(self, measure: Measure) -> bool:
        """Return whether less is better, as any cell of the measure says."""
        return measure in self._lower

    def baseline(self, encoder: str, measure: Measure) -> Cell | None:
        """Return the cell of an encoder that no arm trained, or None where it has no value."""
        cell = self._cells.get((encoder, "", measure))
        return cell if cell and has_value(cell) else None

    def any_cell(self, measure: Measure) -> Cell:
        """Return the first cell of a measure, for what all of them share."""
        cells = (self.cell(arm, measure) for arm in self.arms)
        return next(cell for cell in [*cells, *self.study.cells] if cell is not None)


def has_value(cell: Cell) -> bool:
    """Return whether a cell holds a score."""
    return not math.isnan(cell.mean)


def judge_cell(cell: Cell) -> Judgment:
    """Return what the interval of a cell's difference to the base arm decides."""
    if not has_value(cell):
        return "none"
    if cell.status != OK or math.isnan(cell.difference):
        return "alone"
    return judge_interval(cell.difference_low, cell.difference_high, lower=cell.lower_is_better)


def judge_interval(low: float, high: float, *, lower: bool) -> Judgment:
    """Return what the interval of a difference decides: nothing where it is NaN or holds zero.

    `lower` says that less is better.
    """
    if math.isnan(low) or math.isnan(high) or low <= 0 <= high:
        return "undecided"
    return "better" if (low > 0) != lower else "worse"


def task_names(cells: Sequence[Cell]) -> list[str]:
    """Return what sentences call the measures of cells: tasks, with the metric where it tells."""
    metrics = dict[str, set[str]]()
    for cell in cells:
        metrics.setdefault(cell.task, set()).add(cell.metric)
    names = (c.task if len(metrics[c.task]) == 1 else f"{c.task} ({c.metric})" for c in cells)
    return list(dict.fromkeys(names))


def _measure_of(row: Cell | Difference) -> Measure:
    return Measure(row.task, row.probe, row.shots, row.metric)
