"""A study as tables: Markdown, CSV and LaTeX, one table an axis.

Rows are the axis' levels, columns the measures; a cell has the mean over seeds with its interval,
and under it the paired difference to the base arm. A difference whose interval does not hold zero
is in bold. A cell without an interval (one seed) says so.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from earmark.evaluate.base import OK
from earmark.evaluate.resamples import Measure
from earmark.evaluate.table import called
from earmark.study.results import DONE, Cell, Run, Study
from earmark.workspace import write_text

Marked = Callable[[str], str]


def write_tables(study: Study, folder: Path) -> None:
    """Write table.md, table.tex, cells.csv and runs.csv into a study's folder."""
    write_text(folder / "table.md", markdown(study))
    write_text(folder / "table.tex", latex(study))
    write_text(folder / "cells.csv", _csv(study.cells))
    write_text(folder / "runs.csv", _csv(study.runs))


def markdown(study: Study) -> str:
    """Return a heading and a table for each axis, and one of costs."""
    parts = [f"# {study.design.question or study.design.name}\n"]
    for axis in study.design.axes:
        rows = axis_table(study, axis, bold=lambda text: f"**{text}**", line="<br>")
        parts.append(f"## {axis}\n\n{_pipes(rows)}\n")
    parts.append(f"## Cost\n\n{_pipes(cost_table(study))}\n")
    return "\n".join(parts)


def latex(study: Study) -> str:
    """Return a tabular for each axis, for the package booktabs."""
    parts: list[str] = []
    for axis in study.design.axes:
        rows = axis_table(study, axis, bold=lambda text: f"\\textbf{{{text}}}", line=" ")
        head, *body = [[_escaped(cell) for cell in row] for row in rows]
        lines = [" & ".join(cells) + r" \\ \relax" for cells in body]
        columns = "l" * len(head)
        parts.append(
            f"% {axis}\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n"
            + " & ".join(head)
            + " \\\\\n\\midrule\n"
            + "\n".join(lines)
            + "\n\\bottomrule\n\\end{tabular}\n"
        )
    return "\n".join(parts)


def axis_table(study: Study, axis: str, *, bold: Marked, line: str) -> list[list[str]]:
    """Return the table of an axis: a row a measure, a column a level, the baselines last."""
    levels = study.design.along(axis)
    cells = {(cell.arm, cell.encoder, _measure(cell)): cell for cell in study.cells}
    measures = list(dict.fromkeys(_measure(cell) for cell in study.cells))
    others = list(dict.fromkeys(cell.encoder for cell in study.cells if not cell.arm))
    rows = [["measure", "chance", *levels, *others]]
    for measure in measures:
        chance = next(cell.chance for cell in study.cells if _measure(cell) == measure)
        row = [f"{called(measure)}, {measure[3].replace('_', ' ')}", _number(chance)]
        row += [_shown(cells.get((arm, "trained", measure)), bold, line) for arm in levels.values()]
        row += [_shown(cells.get(("", name, measure)), bold, line) for name in others]
        rows.append(row)
    return rows


def cost_table(study: Study) -> list[list[str]]:
    """Return what each arm cost, on the mean of its runs, and how many of them are done."""
    head = ["arm", "runs", "audio-seconds", "training, min", "evaluation, min", "energy, Wh"]
    rows = [head]
    for arm in study.design.arms:
        runs = [run for run in study.runs if run.arm == arm]
        done = [run for run in runs if run.status == DONE]
        rows.append(
            [
                arm,
                f"{len(done)}/{len(runs)}",
                _mean(done, lambda run: run.audio_s, ",.0f"),
                _mean(done, lambda run: run.train_s / 60, ".1f"),
                _mean(done, lambda run: run.evaluate_s / 60, ".1f"),
                _mean(done, lambda run: run.energy_wh, ".2f"),
            ]
        )
    return rows


def _measure(cell: Cell) -> Measure:
    return cell.task, cell.probe, cell.shots, cell.metric


def _shown(cell: Cell | None, bold: Marked, line: str) -> str:
    if cell is None:
        return "not run"
    if math.isnan(cell.mean):
        return cell.status
    text = f"{_number(cell.mean)} {_interval(cell.low, cell.high, '')}"
    if cell.status != OK:
        return f"{text}{line}{cell.status}"
    if math.isnan(cell.difference):
        return text
    lead = f"{cell.difference:+.3f} {_interval(cell.difference_low, cell.difference_high, '+')}"
    clear = cell.difference_low > 0 or cell.difference_high < 0
    return f"{text}{line}{bold(lead) if clear else lead}"


def _interval(low: float, high: float, sign: str) -> str:
    if math.isnan(low):
        return "(one seed)"
    return f"[{low:{sign}.3f}, {high:{sign}.3f}]"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _mean(runs: Sequence[Run], of: Callable[[Run], float], form: str) -> str:
    values = [of(run) for run in runs if not math.isnan(of(run))]
    return f"{sum(values) / len(values):{form}}" if values else "-"


def _pipes(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in lines
    )


def _csv(rows: Sequence[Cell] | Sequence[Run]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    if rows:
        names = rows[0].__struct_fields__
        writer.writerow(names)
        writer.writerows([getattr(row, name) for name in names] for row in rows)
    return stream.getvalue()


def _escaped(text: str) -> str:
    for sign in "&%_#":
        text = text.replace(sign, f"\\{sign}")
    return text
