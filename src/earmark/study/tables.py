"""A study as tables: Markdown, CSV and LaTeX, one table an axis.

Rows are measures, columns the axis' levels; a cell has the mean over seeds with its interval, and
under it the paired difference to the axis' first level. A difference whose interval excludes
zero is in bold. A cell without an interval says so.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from earmark.bootstrap import Measure
from earmark.evaluate.format import called
from earmark.io import write_text
from earmark.study.results import DONE, OTHER_CLIPS, Cell, Difference, Run, Study

Marked = Callable[[str], str]

UNEQUAL = 0.02
"""By how much, as a share, arms may differ in the audio that they heard before it is told."""
BOLD, END = "\x02", "\x03"
"""Stand-ins for LaTeX's own signs while text is made safe for it."""
LATEX = {sign: f"\\{sign}" for sign in "&%_#{}$"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def write_tables(study: Study, folder: Path) -> None:
    """Write table.md, table.tex, cells.csv, differences.csv and runs.csv into a study's folder."""
    write_text(folder / "table.md", markdown(study))
    write_text(folder / "table.tex", latex(study))
    write_text(folder / "cells.csv", _csv(study.cells))
    write_text(folder / "differences.csv", _csv(study.differences))
    write_text(folder / "runs.csv", _csv(study.runs))


def markdown(study: Study) -> str:
    """Return a heading and a table for each axis, and one of costs."""
    parts = [f"# {study.design.question or study.design.name}\n"]
    for axis in study.design.axes:
        for others, rows in axis_tables(study, axis, bold="**{}**".format, line="<br>"):
            parts.append(f"## {_heading(axis, others)}\n\n{_pipes(rows)}\n")
    parts.append(f"## Cost, mean of the finished runs\n\n{_pipes(cost_table(study))}\n")
    parts += [f"{line}\n" for line in unequal_audio(study)]
    return "\n".join(parts)


def latex(study: Study) -> str:
    """Return a tabular for each axis, for the package booktabs."""
    parts: list[str] = []
    for axis in study.design.axes:
        for others, rows in axis_tables(study, axis, bold=f"{BOLD}{{}}{END}".format, line=" "):
            head, *body = [[_for_latex(cell) for cell in row] for row in rows]
            # A bracket behind the end of a row would be taken for its argument.
            lines = [" & ".join(cells) + r" \\ \relax" for cells in body]
            parts.append(
                f"% {_heading(axis, others)}\n\\begin{{tabular}}{{{'l' * len(head)}}}\n\\toprule\n"
                + " & ".join(head)
                + " \\\\\n\\midrule\n"
                + "\n".join(lines)
                + "\n\\bottomrule\n\\end{tabular}\n"
            )
    return "\n".join(parts)


def axis_tables(
    study: Study, axis: str, *, bold: Marked, line: str
) -> Iterator[tuple[dict[str, str], list[list[str]]]]:
    """Yield the tables of an axis, one for each setting of the others: a row a measure.

    Columns are the levels, the differences being to the first of them, and the baselines.
    """
    cells = {(cell.arm, cell.encoder, _measure(cell)): cell for cell in study.cells}
    leads = {(row.axis, row.arm, _measure(row)): row for row in study.differences}
    measures = list(dict.fromkeys(_measure(cell) for cell in study.cells))
    others = list(dict.fromkeys(cell.encoder for cell in study.cells if not cell.arm))
    seeds = len(study.design.seeds)
    for setting, arms in study.design.blocks(axis):
        rows = [["measure", "chance", *arms, *others]]
        for measure in measures:
            chances = [cell.chance for cell in study.cells if _measure(cell) == measure]
            chance = next((each for each in chances if not math.isnan(each)), math.nan)
            row = [f"{called(measure)}, {measure[3].replace('_', ' ')}", _number(chance)]
            for arm in arms.values():
                text = _score(cells.get((arm, "trained", measure)), seeds)
                lead = leads.get((axis, arm, measure))
                told = "" if lead is None else _lead(lead, bold)
                row.append(f"{text}{line}{told}" if told else text)
            row += [_score(cells.get(("", name, measure)), seeds) for name in others]
            rows.append(row)
        yield setting, rows


def unequal_audio(study: Study) -> list[str]:
    """Return a sentence where arms have not heard equally much."""
    heard = {run.arm: run.audio_s for run in study.runs if not math.isnan(run.audio_s)}
    if not heard or max(heard.values()) <= (1 + UNEQUAL) * min(heard.values()):
        return []
    least, most = min(heard, key=heard.__getitem__), max(heard, key=heard.__getitem__)
    return [
        f"{most} learnt from {heard[most]:,.0f} s of audio, {least} from {heard[least]:,.0f}: few "
        "steps make up the budget. Raise pretrain.audio_s or lower pretrain.batch_s."
    ]


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


def _heading(axis: str, others: Mapping[str, str]) -> str:
    setting = ", ".join(f"{name} {level}" for name, level in others.items())
    return f"{axis} ({setting})" if setting else axis


def _measure(row: Cell | Difference) -> Measure:
    return row.task, row.probe, row.shots, row.metric


def _score(cell: Cell | None, seeds: int) -> str:
    if cell is None:
        return "not run"
    if math.isnan(cell.mean):
        return cell.status
    partly = f" ({cell.seeds} of {seeds} seeds)" if cell.arm and cell.seeds < seeds else ""
    return f"{_number(cell.mean)} {_interval(cell.low, cell.high, '')}{partly}"


def _lead(row: Difference, bold: Marked) -> str:
    if math.isnan(row.difference):
        return OTHER_CLIPS if row.status == OTHER_CLIPS else ""
    text = f"{row.difference:+.3f} {_interval(row.low, row.high, '+')}"
    return bold(text) if row.low > 0 or row.high < 0 else text


def _interval(low: float, high: float, sign: str) -> str:
    return "(no interval)" if math.isnan(low) else f"[{low:{sign}.3f}, {high:{sign}.3f}]"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _mean(runs: Sequence[Run], of: Callable[[Run], float], form: str) -> str:
    values = [of(run) for run in runs if not math.isnan(of(run))]
    return f"{sum(values) / len(values):{form}}" if values else "-"


def _pipes(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    safe = [[" ".join(cell.split()).replace("|", "&#124;") for cell in row] for row in lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in safe)


def _csv(rows: Sequence[Cell] | Sequence[Difference] | Sequence[Run]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    if rows:
        names = rows[0].__struct_fields__
        writer.writerow(names)
        writer.writerows([getattr(row, name) for name in names] for row in rows)
    return stream.getvalue()


def _for_latex(text: str) -> str:
    escaped = "".join(LATEX.get(sign, sign) for sign in " ".join(text.split()))
    return escaped.replace(BOLD, r"\textbf{").replace(END, "}")
