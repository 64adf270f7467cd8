"""The tables of a study: each axis' levels, each arm's cost, and each run's folders."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from earmark.evaluate.base import OK
from earmark.report.study.model import Judgment, Measure, StudyModel, has_value, judge_interval
from earmark.study.results import DONE, NOT_RUN, Cell, Difference, Run

MAX_TASKS = 100
"""Tasks in the table of an axis, at most."""


@dataclass(frozen=True)
class LevelRow:
    """One level of an axis on one measure; `cell` is None where the arm has none.

    `difference` is that to the axis' first level, None for that level itself and where neither was
    measured. `seeds` are the arm's, "2 of 3" where some are missing.
    """

    level: str
    arm: str
    is_base: bool
    cell: Cell | None
    seeds: str
    difference: Difference | None
    judgement: Judgment


@dataclass(frozen=True)
class LevelGroup:
    """The levels of an axis on one measure."""

    measure: Measure
    test: int
    chance: float
    rows: tuple[LevelRow, ...]


@dataclass(frozen=True)
class Block:
    """Arms that differ on one axis alone, held against the one with the axis' first level.

    `setting` names the levels that they share on the other axes, "" where there is one block only.
    `base` is "" where no arm has the first level: then nothing is compared.
    """

    setting: str
    base: str
    levels: tuple[str, ...]
    groups: tuple[LevelGroup, ...]


@dataclass(frozen=True)
class AxisTable:
    """An axis with its blocks, and the levels that are in none.

    Blocks hold the first `MAX_TASKS` measures of all `of`.
    """

    axis: str
    blocks: tuple[Block, ...]
    unheld: tuple[str, ...]
    of: int

    @property
    def intervals(self) -> int:
        """Return how many intervals of differences the blocks hold."""
        groups = (group for block in self.blocks for group in block.groups)
        differences = (row.difference for group in groups for row in group.rows)
        return sum(row is not None and not math.isnan(row.low) for row in differences)


@dataclass(frozen=True)
class ArmCost:
    """What an arm's finished runs cost together; None where nothing tells. Energy in Wh."""

    arm: str
    done: int
    runs: int
    train_s: float | None
    evaluate_s: float | None
    audio_s: float | None
    energy_wh: float | None


@dataclass(frozen=True)
class RunFolder:
    """A run with links to its stages: (what it is, folder, relative address or "")."""

    run: Run
    stages: tuple[tuple[str, str, str], ...]

    @property
    def outcome(self) -> str:
        """Return "done", "waiting" or "failed", as the style names it."""
        if self.run.status == DONE:
            return "done"
        return "waiting" if self.run.status == NOT_RUN else "failed"


def axis_tables(found: StudyModel) -> tuple[AxisTable, ...]:
    """Return a table an axis, of those along which arms differ in nothing else."""
    design = found.study.design
    return tuple(
        AxisTable(axis, blocks, tuple(v for v in levels if v not in held), len(found.headline))
        for axis, levels in design.axes.items()
        if (blocks := _blocks(found, axis))
        if (held := {level for block in blocks for level in block.levels})
    )


def judge_difference(row: Difference) -> Judgment:
    """Return what the interval of a difference decides."""
    if row.status != OK or math.isnan(row.difference):
        return "alone"
    return judge_interval(row.low, row.high, lower=row.lower_is_better)


def arm_costs(found: StudyModel) -> tuple[ArmCost, ...]:
    """Return what each arm cost, in the order of the arms."""
    return tuple(
        _cost(arm, [run for run in found.study.runs if run.arm == arm]) for arm in found.arms
    )


def run_folders(found: StudyModel, workspace: Path | None, page: Path) -> tuple[RunFolder, ...]:
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


def _folder(run: Run, link: Callable[[str], str]) -> RunFolder:
    named = (("pretrain", run.pretrain), ("evaluate", run.evaluate))
    return RunFolder(run, tuple((stage, name, link(name)) for stage, name in named if name))


def _blocks(found: StudyModel, axis: str) -> tuple[Block, ...]:
    design = found.study.design
    blocks = design.blocks(axis)
    return tuple(
        _block(found, axis, _setting(others) if len(blocks) > 1 else "", arms)
        for others, arms in blocks
    )


def _block(found: StudyModel, axis: str, setting: str, arms: Mapping[str, str]) -> Block:
    levels = found.study.design.axes[axis]
    ordered = {level: arms[level] for level in levels if level in arms}
    base = arms.get(levels[0], "")
    measures = found.headline[:MAX_TASKS]
    groups = tuple(_group(found, axis, base, measure, ordered) for measure in measures)
    return Block(setting, base, tuple(ordered), groups)


def _setting(others: Mapping[str, str]) -> str:
    return ", ".join(f"{axis} {level}" for axis, level in others.items())


def _group(
    found: StudyModel, axis: str, base: str, measure: Measure, arms: Mapping[str, str]
) -> LevelGroup:
    shared = found.any_cell(measure)
    rows = tuple(
        _row(found, level, arm, arm == base, measure, found.difference(axis, arm, base, measure))
        for level, arm in arms.items()
    )
    return LevelGroup(measure, shared.test, shared.chance, rows)


def _row(
    found: StudyModel,
    level: str,
    arm: str,
    is_base: bool,
    measure: Measure,
    difference: Difference | None,
) -> LevelRow:
    cell = found.cell(arm, measure)
    if cell is None or not has_value(cell):
        return LevelRow(level, arm, is_base, cell, "", None, "none")
    seeds = (found.told_seeds(cell.seeds) or str(cell.seeds)).removesuffix(" seeds")
    judgement = judge_difference(difference) if difference else "alone"
    return LevelRow(level, arm, is_base, cell, seeds, difference, judgement)


def _cost(arm: str, runs: list[Run]) -> ArmCost:
    done = [run for run in runs if run.status == DONE]
    return ArmCost(
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
