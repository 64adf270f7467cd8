"""Arms by tasks: each arm's score, and how far it is from the base arm's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from earmark.report import numbers
from earmark.report.measures import lower_is_better, probe_name, written
from earmark.study.results import Cell

from .found import Found, Judgement, Measure, judge

MARKS: dict[Judgement, str] = {"better": "▲", "worse": "▼", "undecided": "", "base": "", "none": ""}
STRONGEST = 38
"""Per cent of the colour in the cell that is furthest from the base arm; text stays readable."""


@dataclass(frozen=True)
class Square:
    """A cell of the map. `shade` is the share of colour in per cent, `why` the missing reason."""

    value: str
    difference: str
    judgement: Judgement
    mark: str
    shade: int
    told: str
    why: str


@dataclass(frozen=True)
class HeatRow:
    """An arm, or an encoder that no arm trained, on every measure."""

    name: str
    levels: str
    is_base: bool
    squares: tuple[Square, ...]


@dataclass(frozen=True)
class HeatMap:
    """The arms on all measures of one probe; `baselines` follow the arms."""

    probe: str
    measures: tuple[Measure, ...]
    rows: tuple[HeatRow, ...]
    baselines: tuple[HeatRow, ...]


def heat_map(found: Found, probe: str, names: dict[str, str]) -> HeatMap | None:
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


def _levels(found: Found, arm: str) -> str:
    """Return where an arm differs from the base arm."""
    arms = found.study.design.arms
    own, base = arms[arm], arms[found.base]
    shown = own if arm == found.base else {a: level for a, level in own.items() if base[a] != level}
    # An arm that is called by its one level needs no other name.
    return "" if list(shown.values()) == [arm] else ", ".join(f"{a} {v}" for a, v in shown.items())


def _squares(
    found: Found, arm: str, measures: Sequence[Measure], widest: Sequence[float]
) -> tuple[Square, ...]:
    return tuple(
        _square(found.cell(arm, measure), most)
        for measure, most in zip(measures, widest, strict=True)
    )


def _square(cell: Cell | None, most: float) -> Square:
    if cell is None:
        return Square("–", "", "none", "", 0, "not measured", "not measured")
    judgement = judge(cell)
    if judgement == "none":
        return Square("–", "", judgement, "", 0, cell.status, cell.status)
    value = written(cell.metric, cell.mean)
    interval = f"{written(cell.metric, cell.low)} to {written(cell.metric, cell.high)}"
    if judgement == "base":
        return Square(value, "", judgement, "", 0, f"95 % interval {interval}", "")
    ends = f"{numbers.gain(cell.difference_low)} to {numbers.gain(cell.difference_high)}"
    told = f"95 % interval {interval}; difference {ends}: {_decided(judgement)}"
    return Square(
        value,
        numbers.gain(cell.difference),
        judgement,
        MARKS[judgement],
        _shade(cell, judgement, most),
        told,
        "",
    )


def _shade(cell: Cell, judgement: Judgement, most: float) -> int:
    """Return how strongly a decided difference is coloured; an undecided one is not."""
    if judgement not in ("better", "worse") or not most:
        return 0
    return max(8, round(STRONGEST * abs(cell.difference) / most))


def _widest(found: Found, measure: Measure) -> float:
    cells = (found.cell(arm, measure) for arm in found.arms)
    decided = (c for c in cells if c is not None and judge(c) in ("better", "worse"))
    return max((abs(cell.difference) for cell in decided), default=0.0)


def _baseline(found: Found, encoder: str, measures: Sequence[Measure]) -> tuple[Square, ...]:
    cells = [found.baseline(encoder, measure) for measure in measures]
    return tuple(_square(cell, 0.0) for cell in cells) if any(cells) else ()


def _decided(judgement: Judgement) -> str:
    return {"better": "clearly better", "worse": "clearly worse"}.get(judgement, "undecided")


def heading(measure: Measure) -> str:
    """Return what stands under a task's name: its metric, and which way is better if unusual."""
    return (
        f"{measure.metric}, less is better" if lower_is_better(measure.metric) else measure.metric
    )
