"""How far the levels of an axis are apart on every task, as small drawings."""

from __future__ import annotations

import math
from collections.abc import Sequence

from earmark.report.study.model import Judgement
from earmark.report.study.plots import Curves
from earmark.report.study.tables import AxisTable, Block, judge_difference
from earmark.report.svg import GREEN, GREY, INK, ORANGE, SMALL_WIDTH_IN, axes_of
from earmark.study.results import Difference

LONGEST_NAME = 16
"""Characters of a task beside the axis; the table has all of it."""
MOST_TASKS = 40
MOST_DRAWINGS = 12
"""What an axis has drawn, at most."""
MARKS: dict[Judgement, tuple[str, str]] = {
    "better": (GREEN, "^"),
    "worse": (ORANGE, "v"),
    "undecided": (GREY, "o"),
}


def forests(tables: Sequence[AxisTable]) -> tuple[Curves, ...]:
    """Draw the differences along each axis: a drawing a level, all on one scale.

    Left to the table are measures of which less is better, for ranks do not share a scale with
    scores from 0 to 1, and differences without an interval.
    """
    return tuple(_axis(table, at) for at, table in enumerate(tables))


def reach(rows: Sequence[Difference]) -> float:
    """Return how far the x axis goes to either side: a little beyond the furthest interval.

    It is 1 where there is no interval, or where all are of width 0 at 0, as of equal arms.
    """
    ends = (abs(end) for row in rows for end in (row.low, row.high))
    furthest = max((end for end in ends if math.isfinite(end)), default=0.0)
    return 1.08 * (furthest or 1.0)


def _axis(table: AxisTable, at: int) -> Curves:
    levels = [
        (", ".join(filter(None, (level, block.setting))), rows)
        for block in table.blocks
        for level in block.levels
        if (rows := _rows(block, level))
    ]
    shown = [(title, rows[:MOST_TASKS]) for title, rows in levels[:MOST_DRAWINGS]]
    widest = reach([row for _, rows in shown for row in rows])
    drawn = tuple(
        (title, _level(rows, f"{table.axis} {title}", widest, f"forest-{at}-{place}"))
        for place, (title, rows) in enumerate(shown)
    )
    longest = max((len(rows) for _, rows in levels), default=0)
    return Curves(
        table.axis,
        drawn,
        left_out=tuple(title for title, _ in levels[MOST_DRAWINGS:]),
        of=table.of if longest > MOST_TASKS else 0,
    )


def _rows(block: Block, level: str) -> list[Difference]:
    """Return a level's differences that can be drawn."""
    every = (row.difference for group in block.groups for row in group.rows if row.level == level)
    return [
        row
        for row in every
        if row is not None
        and not row.lower_is_better
        and all(map(math.isfinite, (row.difference, row.low, row.high)))
    ]


def _level(rows: Sequence[Difference], level: str, widest: float, name: str) -> str:
    title = f"{level}: difference to {rows[0].base} on each task, with 95 % intervals"
    height_in = 0.55 + 0.21 * len(rows)
    with axes_of(name, title, height_in, SMALL_WIDTH_IN) as (axes, take):
        axes.axvline(0, color=INK, linewidth=0.8)
        for place, row in enumerate(rows):
            colour, marker = MARKS[judge_difference(row)]
            axes.plot([row.low, row.high], [place] * 2, color=colour, linewidth=1.8)
            axes.plot(row.difference, place, marker, color=colour, markersize=5.5)
        axes.set_yticks(range(len(rows)), [_shortened(row.task) for row in rows])
        axes.tick_params(labelsize=9, length=0)
        axes.set(xlim=(-widest, widest), ylim=(len(rows) - 0.5, -0.5))
        axes.locator_params(axis="x", nbins=5)
        axes.grid(visible=False, axis="y")
    return take()


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
