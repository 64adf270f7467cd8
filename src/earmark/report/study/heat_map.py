"""The heat map of a study, arms by tasks: scores, and differences to the base arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from earmark.evaluate.base import OK
from earmark.report.formatting import (
    NO_INTERVAL,
    format_gain_interval,
    format_metric,
    format_metric_gain,
    format_metric_interval,
    probe_name,
)
from earmark.report.study.model import Judgment, Measure, StudyModel, judge_cell
from earmark.study.results import Cell

JUDGMENT_SYMBOLS: dict[Judgment, str] = {
    "better": "▲",
    "worse": "▼",
    "undecided": "",
    "alone": "",
    "none": "",
}
MAX_SHADE = 38
"""Per cent of the colour in the cell that is furthest from the base arm; text stays readable."""


@dataclass(frozen=True)
class HeatCell:
    """A cell of the map.

    `ends` is the interval of the difference to the base arm or, where there is none, that of the
    value. `shade` is the share of colour in per cent, `note` what else is to be known of the value,
    `why` the reason why there is none.
    """

    value: str = "–"
    difference: str = ""
    ends: str = ""
    judgement: Judgment = "none"
    mark: str = ""
    shade: int = 0
    note: str = ""
    why: str = ""


@dataclass(frozen=True)
class HeatRow:
    """An arm, or an encoder that no arm trained, on every measure."""

    name: str
    levels: str
    is_base: bool
    squares: tuple[HeatCell, ...]


@dataclass(frozen=True)
class HeatMap:
    """The arms on all measures of one probe; `baselines` follow the arms."""

    probe: str
    measures: tuple[Measure, ...]
    rows: tuple[HeatRow, ...]
    baselines: tuple[HeatRow, ...]

    @property
    def intervals(self) -> int:
        """Return how many intervals of differences the map shows."""
        squares = (square for row in self.rows for square in row.squares)
        return sum(bool(square.difference) and square.ends != NO_INTERVAL for square in squares)


def build_heat_map(found: StudyModel, probe: str, names: dict[str, str]) -> HeatMap | None:
    """Return the map of one probe on all clips, None where nothing was asked so.

    `names` are the baselines and what the page calls them.
    """
    measures = found.of(probe)
    if not measures:
        return None
    widest = [_widest(found, measure) for measure in measures]
    rows = tuple(
        HeatRow(arm, _levels(found, arm), arm == found.base, _squares(found, arm, measures, widest))
        for arm in found.arms
    )
    baselines = tuple(
        HeatRow(name, "", False, squares)
        for encoder, name in names.items()
        if (squares := _baseline(found, encoder, measures))
    )
    return HeatMap(probe_name(probe), measures, rows, baselines)


def _levels(found: StudyModel, arm: str) -> str:
    """Return where an arm differs from the base arm."""
    arms = found.study.design.arms
    own, base = arms[arm], arms[found.base]
    shown = own if arm == found.base else {a: level for a, level in own.items() if base[a] != level}
    # An arm that is called by its one level needs no other name.
    return "" if list(shown.values()) == [arm] else ", ".join(f"{a} {v}" for a, v in shown.items())


def _squares(
    found: StudyModel, arm: str, measures: Sequence[Measure], widest: Sequence[float]
) -> tuple[HeatCell, ...]:
    return tuple(
        _square(found, found.cell(arm, measure), most)
        for measure, most in zip(measures, widest, strict=True)
    )


def _square(found: StudyModel, cell: Cell | None, most: float = 0.0) -> HeatCell:
    if cell is None:
        return HeatCell(why="not measured")
    judgement = judge_cell(cell)
    if judgement == "none":
        return HeatCell(why=cell.status)
    value = format_metric(cell.metric, cell.mean)
    seeds = found.told_seeds(found.seeds_of(cell)) if cell.arm else ""
    if judgement == "alone":
        note = ", ".join(filter(None, (seeds, "" if cell.status == OK else cell.status)))
        ends = format_metric_interval(cell.metric, cell.low, cell.high)
        return HeatCell(value, ends=ends, judgement=judgement, note=note)
    return HeatCell(
        value,
        format_metric_gain(cell.metric, cell.difference),
        format_gain_interval(cell.metric, cell.difference_low, cell.difference_high),
        judgement,
        JUDGMENT_SYMBOLS[judgement],
        _shade(cell, judgement, most),
        seeds,
    )


def _shade(cell: Cell, judgement: Judgment, most: float) -> int:
    """Return how strongly a decided difference is coloured; an undecided one is not."""
    if judgement not in ("better", "worse") or not most:
        return 0
    return max(8, round(MAX_SHADE * abs(cell.difference) / most))


def _widest(found: StudyModel, measure: Measure) -> float:
    cells = (found.cell(arm, measure) for arm in found.arms)
    decided = (c for c in cells if c is not None and judge_cell(c) in ("better", "worse"))
    return max((abs(cell.difference) for cell in decided), default=0.0)


def _baseline(found: StudyModel, encoder: str, measures: Sequence[Measure]) -> tuple[HeatCell, ...]:
    cells = [found.baseline(encoder, measure) for measure in measures]
    return tuple(_square(found, cell) for cell in cells) if any(cells) else ()


def measure_heading(found: StudyModel, measure: Measure) -> str:
    """Return what stands under a task's name: its metric, and which way is better if unusual."""
    return f"{measure.metric}, less is better" if found.lower_is_better(measure) else measure.metric
