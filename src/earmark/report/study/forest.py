"""How far each level of an axis is from the base arm on every task, as small drawings."""

from __future__ import annotations

from collections.abc import Sequence

from earmark.report.drawing import GREEN, GREY, INK, ORANGE, SMALL_WIDTH_IN, axes_of
from earmark.report.measures import lower_is_better
from earmark.study.results import Cell

from .curves import Curves
from .found import Found, Judgement, judge
from .tables import AxisTable

LONGEST_NAME = 16
"""Characters of a task beside the axis; the table has all of it."""
MARKS: dict[Judgement, tuple[str, str]] = {
    "better": (GREEN, "^"),
    "worse": (ORANGE, "v"),
    "undecided": (GREY, "o"),
}


def forests(found: Found, tables: Sequence[AxisTable]) -> tuple[Curves, ...]:
    """Draw the differences along each axis: a drawing a level, all on one scale.

    Ranks are left to the table: they do not share a scale with scores from 0 to 1.
    """
    return tuple(_axis(found, table, at) for at, table in enumerate(tables))


def _axis(found: Found, table: AxisTable, at: int) -> Curves:
    arms = found.study.design.along(table.axis)
    levels = {level: _cells(found, arms[level]) for level in table.levels}
    ends = [
        abs(end)
        for cells in levels.values()
        for cell in cells
        for end in (cell.difference_low, cell.difference_high)
    ]
    reach = 1.08 * (max(ends, default=0.0) or 1.0)  # arms may be equal throughout
    drawn = tuple(
        (level, _level(cells, table.axis, level, reach, f"forest-{at}-{place}"))
        for place, (level, cells) in enumerate(levels.items())
        if cells
    )
    return Curves(table.axis, drawn)


def _cells(found: Found, arm: str) -> list[Cell]:
    return [cell for cell in found.compared if cell.arm == arm and not lower_is_better(cell.metric)]


def _level(cells: Sequence[Cell], axis: str, level: str, reach: float, name: str) -> str:
    title = f"{axis} {level}: difference to the base arm on each task, with 95 % intervals"
    height_in = 0.55 + 0.21 * len(cells)
    with axes_of(name, title, height_in, SMALL_WIDTH_IN) as (axes, take):
        axes.axvline(0, color=INK, linewidth=0.8)
        for place, cell in enumerate(cells):
            colour, marker = MARKS[judge(cell)]
            ends = [cell.difference_low, cell.difference_high]
            axes.plot(ends, [place] * 2, color=colour, linewidth=1.8)
            axes.plot(cell.difference, place, marker, color=colour, markersize=5.5)
        axes.set_yticks(range(len(cells)), [_shortened(cell.task) for cell in cells])
        axes.tick_params(labelsize=9, length=0)
        axes.set(xlim=(-reach, reach), ylim=(len(cells) - 0.5, -0.5))
        axes.locator_params(axis="x", nbins=5)
        axes.grid(visible=False, axis="y")
    return take()


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
