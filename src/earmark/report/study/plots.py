"""The plots of a study, as small multiples.

Curves go along an axis of numbers, or by clips a class; forest plots show how far the levels of an
axis are apart on every task.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earmark.report.study.model import Judgment, Measure, StudyModel, has_value
from earmark.report.study.tables import AxisTable, Block, judge_difference
from earmark.report.svg import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    SMALL_HEIGHT_IN,
    SMALL_WIDTH_IN,
    draw_interval,
    set_log_scale,
    svg_axes,
)
from earmark.study.results import Cell, Difference

if TYPE_CHECKING:
    from matplotlib.axes import Axes


ARM_STYLES = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "D", "-."), (INK, "^", ":"))
"""Colour, marker and dash of an arm; more arms than these would not be told apart."""

MOST_CURVES = 24
"""Tasks of which a curve is drawn, at most; the tables have all of them."""

ARM_SPREAD = 0.06
"""Arms stand this far apart on the x axis, in powers of e, so that intervals do not hide."""


@dataclass(frozen=True)
class SmallMultiples:
    """Small drawings that share an axis: (what stands above it, SVG).

    `left_out` are arms or levels that are not drawn; `of` is how many tasks there are where not all
    are drawn, else 0. `setting` names the levels of the other axes, where it tells.
    """

    axis: str
    drawn: tuple[tuple[str, str], ...]
    arms: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    of: int = 0
    setting: str = ""


def number_curves(found: StudyModel) -> tuple[SmallMultiples, ...]:
    """Draw a curve a measure along each axis whose levels are all numbers above zero."""
    curves: list[SmallMultiples] = []
    for axis in found.study.design.axes:
        setting, named = _block_of_base(found, axis)
        arms = {number: arm for level, arm in named.items() if (number := _positive_number(level))}
        if len(arms) < 2 or len(arms) < len(named):
            continue
        measured = [
            m for m in found.headline if any(_has_score(found, a, m) for a in arms.values())
        ]
        drawn = tuple(
            (
                _measure_title(measure),
                _plot_along(found, measure, axis, arms, f"axis-{len(curves)}-{place}"),
            )
            for place, measure in enumerate(measured[:MOST_CURVES])
        )
        if drawn:
            of = len(measured) if len(measured) > MOST_CURVES else 0
            curves.append(SmallMultiples(axis, drawn, of=of, setting=setting))
    return tuple(curves)


def few_shot_curves(found: StudyModel) -> SmallMultiples | None:
    """Draw a curve a task by clips a class, one line an arm; None where there are no few shots."""
    few = (m for m in found.measures if m.shots and m.probe == "linear")
    tasks = list(dict.fromkeys((m.task, m.probe, m.metric) for m in few))
    if not tasks:
        return None
    arms, left_out = found.arms[: len(ARM_STYLES)], found.arms[len(ARM_STYLES) :]
    drawn = tuple(
        (f"{task}, {metric}", _plot_by_shots(found, (task, probe, metric), arms, f"shots-{place}"))
        for place, (task, probe, metric) in enumerate(tasks[:MOST_CURVES])
    )
    of = len(tasks) if len(tasks) > MOST_CURVES else 0
    return SmallMultiples("clips a class", drawn, arms, left_out, of=of)


def _block_of_base(found: StudyModel, axis: str) -> tuple[str, dict[str, str]]:
    """Return the levels that the base arm has elsewhere, and the arms along an axis, by level."""
    blocks = found.study.design.blocks(axis)
    for others, arms in blocks:
        if found.base in arms.values():
            setting = ", ".join(f"{name} {level}" for name, level in others.items())
            return setting if len(blocks) > 1 else "", arms
    return "", {}


def _has_score(found: StudyModel, arm: str, measure: Measure) -> bool:
    cell = found.cell(arm, measure)
    return cell is not None and has_value(cell)


def _plot_along(
    found: StudyModel, measure: Measure, axis: str, arms: dict[float, str], name: str
) -> str:
    ordered = sorted(arms)
    cells = [
        (x, cell) for x in ordered if (cell := found.cell(arms[x], measure)) and has_value(cell)
    ]
    title = f"{measure.metric} on {measure.task} by {axis}, with 95 % intervals"
    with svg_axes(name, title, SMALL_HEIGHT_IN, SMALL_WIDTH_IN) as (axes, take):
        axes.plot([x for x, _ in cells], [cell.mean for _, cell in cells], color=BLUE, linewidth=1)
        for x, cell in cells:
            draw_interval(axes, x, cell.low, cell.high, BLUE)
            filled = BLUE if cell.arm == found.base else "none"
            axes.plot(x, cell.mean, "o", color=BLUE, markerfacecolor=filled)
        _draw_references(axes, found, measure)
        _set_scale(axes, ordered, axis)
    return take()


def _plot_by_shots(
    found: StudyModel, asked: tuple[str, str, str], arms: Sequence[str], name: str
) -> str:
    task, probe, metric = asked
    shots = sorted({m.shots for m in found.measures if (m.task, m.probe, m.metric) == asked} - {0})
    title = f"{metric} on {task} by clips a class, with 95 % intervals"
    with svg_axes(name, title, SMALL_HEIGHT_IN, SMALL_WIDTH_IN) as (axes, take):
        for place, arm in enumerate(arms):
            cells = [found.cell(arm, Measure(task, probe, count, metric)) for count in shots]
            shift = math.exp(ARM_SPREAD * (place - (len(arms) - 1) / 2))
            _draw_line(axes, [cell for cell in cells if cell and has_value(cell)], place, shift)
        _draw_references(axes, found, Measure(task, probe, shots[-1], metric), random=False)
        _set_scale(axes, [float(count) for count in shots], "clips a class")
    return take()


def _draw_line(axes: Axes, cells: Sequence[Cell], place: int, shift: float) -> None:
    colour, marker, dash = ARM_STYLES[place]
    at = [cell.shots * shift for cell in cells]
    axes.plot(at, [cell.mean for cell in cells], dash, color=colour, marker=marker, markersize=4.5)
    for x, cell in zip(at, cells, strict=True):
        draw_interval(axes, x, cell.low, cell.high, colour, width=1.2)


def _draw_references(
    axes: Axes, found: StudyModel, measure: Measure, *, random: bool = True
) -> None:
    chance = found.any_cell(measure).chance
    if not math.isnan(chance):
        axes.axhline(chance, color=INK, linewidth=0.8, linestyle=":")
    baseline = found.baseline("random", measure) if random else None
    if baseline is not None:
        axes.axhline(baseline.mean, color=ORANGE, linewidth=1.2, linestyle="--")
        axes.axhspan(baseline.low, baseline.high, color=ORANGE, alpha=0.12, linewidth=0)


def _set_scale(axes: Axes, at: Sequence[float], label: str) -> None:
    """Make the x axis logarithmic, with the measured values as its only ticks."""
    set_log_scale(axes, "x")
    axes.set_xticks(at, [f"{value:,g}" for value in at])
    axes.minorticks_off()
    axes.set_xlabel(label)


def _measure_title(measure: Measure) -> str:
    return f"{measure.task}, {measure.metric}"


def _positive_number(level: str) -> float | None:
    """Return a level as a number above zero, None where it is none: "1_000" and "0.5" are."""
    try:
        value = float(level)
    except ValueError:
        return None
    return value if 0 < value < math.inf else None


MAX_NAME_LENGTH = 16
"""Characters of a task beside the axis; the table has all of it."""

MOST_DIFFERENCES = 40

MOST_DRAWINGS = 12
"""What an axis has drawn, at most."""

JUDGMENT_MARKS: dict[Judgment, tuple[str, str]] = {
    "better": (GREEN, "^"),
    "worse": (ORANGE, "v"),
    "undecided": (GREY, "o"),
}


def forest_plots(tables: Sequence[AxisTable]) -> tuple[SmallMultiples, ...]:
    """Draw the differences along each axis: a drawing a level, all on one scale.

    Left to the table are measures of which less is better, for ranks do not share a scale with
    scores from 0 to 1, and differences without an interval.
    """
    return tuple(_axis_plots(table, at) for at, table in enumerate(tables))


def axis_limit(rows: Sequence[Difference]) -> float:
    """Return how far the x axis goes to either side: a little beyond the furthest interval.

    It is 1 where there is no interval, or where all are of width 0 at 0, as of equal arms.
    """
    ends = (abs(end) for row in rows for end in (row.low, row.high))
    furthest = max((end for end in ends if math.isfinite(end)), default=0.0)
    return 1.08 * (furthest or 1.0)


def _axis_plots(table: AxisTable, at: int) -> SmallMultiples:
    levels = [
        (", ".join(filter(None, (level, block.setting))), rows)
        for block in table.blocks
        for level in block.levels
        if (rows := _plottable_rows(block, level))
    ]
    shown = [(title, rows[:MOST_DIFFERENCES]) for title, rows in levels[:MOST_DRAWINGS]]
    widest = axis_limit([row for _, rows in shown for row in rows])
    drawn = tuple(
        (title, _plot_level(rows, f"{table.axis} {title}", widest, f"forest-{at}-{place}"))
        for place, (title, rows) in enumerate(shown)
    )
    longest = max((len(rows) for _, rows in levels), default=0)
    return SmallMultiples(
        table.axis,
        drawn,
        left_out=tuple(title for title, _ in levels[MOST_DRAWINGS:]),
        of=table.of if longest > MOST_DIFFERENCES else 0,
    )


def _plottable_rows(block: Block, level: str) -> list[Difference]:
    """Return a level's differences that can be drawn."""
    every = (row.difference for group in block.groups for row in group.rows if row.level == level)
    return [
        row
        for row in every
        if row is not None
        and not row.lower_is_better
        and all(map(math.isfinite, (row.difference, row.low, row.high)))
    ]


def _plot_level(rows: Sequence[Difference], level: str, widest: float, name: str) -> str:
    title = f"{level}: difference to {rows[0].base} on each task, with 95 % intervals"
    height_in = 0.55 + 0.21 * len(rows)
    with svg_axes(name, title, height_in, SMALL_WIDTH_IN) as (axes, take):
        axes.axvline(0, color=INK, linewidth=0.8)
        for place, row in enumerate(rows):
            colour, marker = JUDGMENT_MARKS[judge_difference(row)]
            axes.plot([row.low, row.high], [place] * 2, color=colour, linewidth=1.8)
            axes.plot(row.difference, place, marker, color=colour, markersize=5.5)
        axes.set_yticks(range(len(rows)), [_shorten(row.task) for row in rows])
        axes.tick_params(labelsize=9, length=0)
        axes.set(xlim=(-widest, widest), ylim=(len(rows) - 0.5, -0.5))
        axes.locator_params(axis="x", nbins=5)
        axes.grid(visible=False, axis="y")
    return take()


def _shorten(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "…"
