"""The tables of a study: each axis' levels, what each arm cost, and which runs failed."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from earmark.study.results import DONE, Cell, Run

from .found import Found, Judgement, Measure, has_value, judge


@dataclass(frozen=True)
class LevelRow:
    """One level of an axis on one measure; `cell` is None where the arm has none."""

    level: str
    arm: str
    cell: Cell | None
    judgement: Judgement


@dataclass(frozen=True)
class LevelGroup:
    """The levels of an axis on one measure."""

    measure: Measure
    test: int
    chance: float
    rows: tuple[LevelRow, ...]


@dataclass(frozen=True)
class AxisTable:
    """An axis, along which only arms that differ from the base arm on it alone are compared."""

    axis: str
    levels: tuple[str, ...]
    groups: tuple[LevelGroup, ...]
    unheld: tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """What an arm's finished runs cost together; None where nothing tells. Energy in Wh."""

    arm: str
    done: int
    runs: int
    train_s: float | None
    evaluate_s: float | None
    audio_s: float | None
    energy_wh: float | None


@dataclass(frozen=True)
class Folder:
    """A run with links to its stages: (what it is, folder, relative address or "")."""

    run: Run
    stages: tuple[tuple[str, str, str], ...]

    @property
    def outcome(self) -> str:
        """Return "done", "waiting" or "failed", as the style names it."""
        if self.run.status == DONE:
            return "done"
        return "waiting" if self.run.status == "not run" else "failed"


def axis_tables(found: Found) -> tuple[AxisTable, ...]:
    """Return a table an axis, of those along which at least two arms lie."""
    design = found.study.design
    tables: list[AxisTable] = []
    for axis, levels in design.axes.items():
        arms = design.along(axis)
        ordered = tuple(level for level in levels if level in arms)
        if len(ordered) < 2:
            continue
        groups = tuple(
            _group(found, measure, {level: arms[level] for level in ordered})
            for measure in found.headline
        )
        tables.append(AxisTable(axis, ordered, groups, tuple(v for v in levels if v not in arms)))
    return tuple(tables)


def costs(found: Found) -> tuple[Cost, ...]:
    """Return what each arm cost, in the order of the arms."""
    return tuple(
        _cost(arm, [run for run in found.study.runs if run.arm == arm]) for arm in found.arms
    )


def folders(found: Found, workspace: Path | None, page: Path) -> tuple[Folder, ...]:
    """Return the runs with their folders.

    Args:
        found: the study.
        workspace: where the folders lie; without it they are named and not linked.
        page: the file that the links start from.
    """

    def link(name: str) -> str:
        if workspace is None or not name or not (workspace / name).is_dir():
            return ""
        start = page.resolve().parent
        return quote(os.path.relpath((workspace / name).resolve(), start)) + "/"

    return tuple(_folder(run, link) for run in found.study.runs)


def _folder(run: Run, link: Callable[[str], str]) -> Folder:
    named = (("pretrain", run.pretrain), ("evaluate", run.evaluate))
    return Folder(run, tuple((stage, name, link(name)) for stage, name in named if name))


def _group(found: Found, measure: Measure, arms: dict[str, str]) -> LevelGroup:
    shared = found.any_cell(measure)
    rows = tuple(_row(level, arm, found.cell(arm, measure)) for level, arm in arms.items())
    return LevelGroup(measure, shared.test, shared.chance, rows)


def _row(level: str, arm: str, cell: Cell | None) -> LevelRow:
    judgement = judge(cell) if cell is not None and has_value(cell) else "none"
    return LevelRow(level, arm, cell, judgement)


def _cost(arm: str, runs: list[Run]) -> Cost:
    done = [run for run in runs if run.status == DONE]
    return Cost(
        arm,
        len(done),
        len(runs),
        _sum(run.train_s for run in done),
        _sum(run.evaluate_s for run in done),
        _sum(run.audio_s for run in done),
        _sum(run.energy_wh for run in done),
    )


def _sum(values: Iterable[float]) -> float | None:
    """Return the sum, None where there is nothing or a value is not known."""
    known = list(values)
    return sum(known) if known and not any(map(math.isnan, known)) else None
