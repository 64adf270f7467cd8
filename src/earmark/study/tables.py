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

from earmark.bootstrap import ScoreKey
from earmark.evaluate.format import score_title
from earmark.io import write_text
from earmark.study.results import DONE, OTHER_CLIPS, Cell, Difference, Run, Study

TextMarkup = Callable[[str], str]

MAX_AUDIO_DIFFERENCE = 0.02
"""By how much, as a share, arms may differ in the audio that they heard before it is told."""
BOLD_START, BOLD_END = "\x02", "\x03"
"""Stand-ins for LaTeX's own signs while text is made safe for it."""
LATEX_ESCAPES = {sign: f"\\{sign}" for sign in "&%_#{}$"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def write_tables(study: Study, folder: Path) -> None:
    """Write table.md, table.tex, cells.csv, differences.csv and runs.csv into a study's folder."""
    write_text(folder / "table.md", markdown_tables(study))
    write_text(folder / "table.tex", latex_tables(study))
    write_text(folder / "cells.csv", _to_csv(study.cells))
    write_text(folder / "differences.csv", _to_csv(study.differences))
    write_text(folder / "runs.csv", _to_csv(study.runs))


def markdown_tables(study: Study) -> str:
    """Return a heading and a table for each axis, and one of costs."""
    parts = [f"# {study.design.question or study.design.name}\n"]
    for axis in study.design.axes:
        for others, rows in axis_rows(study, axis, bold="**{}**".format, line="<br>"):
            parts.append(f"## {_heading(axis, others)}\n\n{_markdown_table(rows)}\n")
    parts.append(f"## Cost, mean of the finished runs\n\n{_markdown_table(cost_rows(study))}\n")
    parts += [f"{line}\n" for line in audio_warnings(study)]
    return "\n".join(parts)


def latex_tables(study: Study) -> str:
    """Return a tabular for each axis, for the package booktabs."""
    parts: list[str] = []
    for axis in study.design.axes:
        for others, rows in axis_rows(
            study, axis, bold=f"{BOLD_START}{{}}{BOLD_END}".format, line=" "
        ):
            head, *body = [[_escape_latex(cell) for cell in row] for row in rows]
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


def axis_rows(
    study: Study, axis: str, *, bold: TextMarkup, line: str
) -> Iterator[tuple[dict[str, str], list[list[str]]]]:
    """Yield the tables of an axis, one for each setting of the others: a row a measure.

    Columns are the levels, the differences being to the first of them, and the baselines.
    """
    cells = {(cell.arm, cell.encoder, _score_key(cell)): cell for cell in study.cells}
    leads = {(row.axis, row.arm, _score_key(row)): row for row in study.differences}
    measures = list(dict.fromkeys(_score_key(cell) for cell in study.cells))
    others = list(dict.fromkeys(cell.encoder for cell in study.cells if not cell.arm))
    seeds = len(study.design.seeds)
    for setting, arms in study.design.blocks(axis):
        rows = [["measure", "chance", *arms, *others]]
        for measure in measures:
            chances = [cell.chance for cell in study.cells if _score_key(cell) == measure]
            chance = next((each for each in chances if not math.isnan(each)), math.nan)
            row = [
                f"{score_title(measure)}, {measure[3].replace('_', ' ')}",
                _format_number(chance),
            ]
            for arm in arms.values():
                text = _format_score(cells.get((arm, "trained", measure)), seeds)
                lead = leads.get((axis, arm, measure))
                told = "" if lead is None else _format_difference(lead, bold)
                row.append(f"{text}{line}{told}" if told else text)
            row += [_format_score(cells.get(("", name, measure)), seeds) for name in others]
            rows.append(row)
        yield setting, rows


def audio_warnings(study: Study) -> list[str]:
    """Return a sentence where arms have not heard equally much."""
    heard = {run.arm: run.audio_s for run in study.runs if not math.isnan(run.audio_s)}
    if not heard or max(heard.values()) <= (1 + MAX_AUDIO_DIFFERENCE) * min(heard.values()):
        return []
    least, most = min(heard, key=heard.__getitem__), max(heard, key=heard.__getitem__)
    return [
        f"{most} learnt from {heard[most]:,.0f} s of audio, {least} from {heard[least]:,.0f}: few "
        "steps make up the budget. Raise pretrain.audio_s or lower pretrain.batch_s."
    ]


def cost_rows(study: Study) -> list[list[str]]:
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
                _format_mean(done, lambda run: run.audio_s, ",.0f"),
                _format_mean(done, lambda run: run.train_s / 60, ".1f"),
                _format_mean(done, lambda run: run.evaluate_s / 60, ".1f"),
                _format_mean(done, lambda run: run.energy_wh, ".2f"),
            ]
        )
    return rows


def _heading(axis: str, others: Mapping[str, str]) -> str:
    setting = ", ".join(f"{name} {level}" for name, level in others.items())
    return f"{axis} ({setting})" if setting else axis


def _score_key(row: Cell | Difference) -> ScoreKey:
    return row.task, row.probe, row.shots, row.metric


def _format_score(cell: Cell | None, seeds: int) -> str:
    if cell is None:
        return "not run"
    if math.isnan(cell.mean):
        return cell.status
    partly = f" ({cell.seeds} of {seeds} seeds)" if cell.arm and cell.seeds < seeds else ""
    return f"{_format_number(cell.mean)} {_format_interval(cell.low, cell.high, '')}{partly}"


def _format_difference(row: Difference, bold: TextMarkup) -> str:
    if math.isnan(row.difference):
        return OTHER_CLIPS if row.status == OTHER_CLIPS else ""
    text = f"{row.difference:+.3f} {_format_interval(row.low, row.high, '+')}"
    return bold(text) if row.low > 0 or row.high < 0 else text


def _format_interval(low: float, high: float, sign: str) -> str:
    return "(no interval)" if math.isnan(low) else f"[{low:{sign}.3f}, {high:{sign}.3f}]"


def _format_number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _format_mean(runs: Sequence[Run], of: Callable[[Run], float], form: str) -> str:
    values = [of(run) for run in runs if not math.isnan(of(run))]
    return f"{sum(values) / len(values):{form}}" if values else "-"


def _markdown_table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    safe = [[" ".join(cell.split()).replace("|", "&#124;") for cell in row] for row in lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in safe)


def _to_csv(rows: Sequence[Cell] | Sequence[Difference] | Sequence[Run]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    if rows:
        names = rows[0].__struct_fields__
        writer.writerow(names)
        writer.writerows([getattr(row, name) for name in names] for row in rows)
    return stream.getvalue()


def _escape_latex(text: str) -> str:
    escaped = "".join(LATEX_ESCAPES.get(sign, sign) for sign in " ".join(text.split()))
    return escaped.replace(BOLD_START, r"\textbf{").replace(BOLD_END, "}")
