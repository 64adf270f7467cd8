"""Curves of a study: the score along an axis of numbers, and by clips a class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earmark.report.study.model import Found, Measure, has_value
from earmark.report.svg import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    SMALL_HEIGHT_IN,
    SMALL_WIDTH_IN,
    axes_of,
    interval,
    logarithmic,
)
from earmark.study.results import Cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "D", "-."), (INK, "^", ":"))
"""Colour, marker and dash of an arm; more arms than these would not be told apart."""
MOST_TASKS = 24
"""Tasks of which a curve is drawn, at most; the tables have all of them."""
SPREAD = 0.06
"""Arms stand this far apart on the x axis, in powers of e, so that intervals do not hide."""


@dataclass(frozen=True)
class Curves:
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


def number_curves(found: Found) -> tuple[Curves, ...]:
    """Draw a curve a measure along each axis whose levels are all numbers above zero."""
    curves: list[Curves] = []
    for axis in found.study.design.axes:
        setting, named = _block_of_base(found, axis)
        arms = {number: arm for level, arm in named.items() if (number := _number(level))}
        if len(arms) < 2 or len(arms) < len(named):
            continue
        measured = [m for m in found.headline if any(_has(found, a, m) for a in arms.values())]
        drawn = tuple(
            (_title(measure), _along(found, measure, axis, arms, f"axis-{len(curves)}-{place}"))
            for place, measure in enumerate(measured[:MOST_TASKS])
        )
        if drawn:
            of = len(measured) if len(measured) > MOST_TASKS else 0
            curves.append(Curves(axis, drawn, of=of, setting=setting))
    return tuple(curves)


def shot_curves(found: Found) -> Curves | None:
    """Draw a curve a task by clips a class, one line an arm; None where there are no few shots."""
    few = (m for m in found.measures if m.shots and m.probe == "linear")
    tasks = list(dict.fromkeys((m.task, m.probe, m.metric) for m in few))
    if not tasks:
        return None
    arms, left_out = found.arms[: len(LINES)], found.arms[len(LINES) :]
    drawn = tuple(
        (f"{task}, {metric}", _by_shots(found, (task, probe, metric), arms, f"shots-{place}"))
        for place, (task, probe, metric) in enumerate(tasks[:MOST_TASKS])
    )
    of = len(tasks) if len(tasks) > MOST_TASKS else 0
    return Curves("clips a class", drawn, arms, left_out, of=of)


def _block_of_base(found: Found, axis: str) -> tuple[str, dict[str, str]]:
    """Return the levels that the base arm has elsewhere, and the arms along an axis, by level."""
    blocks = found.study.design.blocks(axis)
    for others, arms in blocks:
        if found.base in arms.values():
            setting = ", ".join(f"{name} {level}" for name, level in others.items())
            return setting if len(blocks) > 1 else "", arms
    return "", {}


def _has(found: Found, arm: str, measure: Measure) -> bool:
    cell = found.cell(arm, measure)
    return cell is not None and has_value(cell)


def _along(found: Found, measure: Measure, axis: str, arms: dict[float, str], name: str) -> str:
    ordered = sorted(arms)
    cells = [
        (x, cell) for x in ordered if (cell := found.cell(arms[x], measure)) and has_value(cell)
    ]
    title = f"{measure.metric} on {measure.task} by {axis}, with 95 % intervals"
    with axes_of(name, title, SMALL_HEIGHT_IN, SMALL_WIDTH_IN) as (axes, take):
        axes.plot([x for x, _ in cells], [cell.mean for _, cell in cells], color=BLUE, linewidth=1)
        for x, cell in cells:
            interval(axes, x, cell.low, cell.high, BLUE)
            filled = BLUE if cell.arm == found.base else "none"
            axes.plot(x, cell.mean, "o", color=BLUE, markerfacecolor=filled)
        _references(axes, found, measure)
        _scale(axes, ordered, axis)
    return take()


def _by_shots(found: Found, asked: tuple[str, str, str], arms: Sequence[str], name: str) -> str:
    task, probe, metric = asked
    shots = sorted({m.shots for m in found.measures if (m.task, m.probe, m.metric) == asked} - {0})
    title = f"{metric} on {task} by clips a class, with 95 % intervals"
    with axes_of(name, title, SMALL_HEIGHT_IN, SMALL_WIDTH_IN) as (axes, take):
        for place, arm in enumerate(arms):
            cells = [found.cell(arm, Measure(task, probe, count, metric)) for count in shots]
            shift = math.exp(SPREAD * (place - (len(arms) - 1) / 2))
            _line(axes, [cell for cell in cells if cell and has_value(cell)], place, shift)
        _references(axes, found, Measure(task, probe, shots[-1], metric), random=False)
        _scale(axes, [float(count) for count in shots], "clips a class")
    return take()


def _line(axes: Axes, cells: Sequence[Cell], place: int, shift: float) -> None:
    colour, marker, dash = LINES[place]
    at = [cell.shots * shift for cell in cells]
    axes.plot(at, [cell.mean for cell in cells], dash, color=colour, marker=marker, markersize=4.5)
    for x, cell in zip(at, cells, strict=True):
        interval(axes, x, cell.low, cell.high, colour, width=1.2)


def _references(axes: Axes, found: Found, measure: Measure, *, random: bool = True) -> None:
    chance = found.any_cell(measure).chance
    if not math.isnan(chance):
        axes.axhline(chance, color=INK, linewidth=0.8, linestyle=":")
    baseline = found.baseline("random", measure) if random else None
    if baseline is not None:
        axes.axhline(baseline.mean, color=ORANGE, linewidth=1.2, linestyle="--")
        axes.axhspan(baseline.low, baseline.high, color=ORANGE, alpha=0.12, linewidth=0)


def _scale(axes: Axes, at: Sequence[float], label: str) -> None:
    """Make the x axis logarithmic, with the measured values as its only ticks."""
    logarithmic(axes, "x")
    axes.set_xticks(at, [f"{value:,g}" for value in at])
    axes.minorticks_off()
    axes.set_xlabel(label)


def _title(measure: Measure) -> str:
    return f"{measure.task}, {measure.metric}"


def _number(level: str) -> float | None:
    """Return a level as a number above zero, None where it is none: "1_000" and "0.5" are."""
    try:
        value = float(level)
    except ValueError:
        return None
    return value if 0 < value < math.inf else None
