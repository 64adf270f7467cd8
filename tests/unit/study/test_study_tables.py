import math
from pathlib import Path

import msgspec
import pytest

from earmark.study.results import (
    DONE,
    Cell,
    Design,
    Difference,
    Run,
    Study,
    read_study,
    write_study,
)
from earmark.study.tables import (
    audio_warnings,
    axis_rows,
    cost_rows,
    latex_tables,
    markdown_tables,
    write_tables,
)

NAN = math.nan


def cell(arm: str, mean: float, difference: tuple[float, float, float], **changes: object) -> Cell:
    plain: dict[str, object] = {
        "arm": arm,
        "encoder": "trained",
        "task": "ESC-50",
        "probe": "linear",
        "shots": 0,
        "metric": "accuracy",
        "seeds": 2,
        "mean": mean,
        "low": mean - 0.05,
        "high": mean + 0.05,
        "chance": 0.02,
        "test": 100,
        "difference": difference[0],
        "difference_low": difference[1],
        "difference_high": difference[2],
        "status": "ok",
    }
    return Cell(**{**plain, **changes})  # pyright: ignore[reportArgumentType]


def lead(arm: str, difference: float, low: float, high: float) -> Difference:
    return Difference(
        axis="objective",
        arm=arm,
        base="tags",
        task="ESC-50",
        probe="linear",
        shots=0,
        metric="accuracy",
        lower_is_better=False,
        seeds=2,
        difference=difference,
        low=low,
        high=high,
        status="ok",
    )


def run(arm: str, seed: int, status: str = DONE, energy_wh: float = NAN) -> Run:
    return Run(
        arm=arm,
        seed=seed,
        status=status,
        pretrain="p",
        evaluate="e",
        audio_s=600.0,
        train_s=60.0 * (seed + 1),
        evaluate_s=30.0,
        energy_wh=energy_wh,
    )


@pytest.fixture
def study() -> Study:
    design = Design(
        name="s",
        question="Which?",
        axes={"objective": ("tags", "contrastive", "captioning")},
        arms={name: {"objective": name} for name in ("tags", "contrastive", "captioning")},
        seeds=(0, 1),
    )
    cells = (
        cell("", 0.3, (NAN, NAN, NAN), encoder="random", seeds=2),
        cell("tags", 0.5, (NAN, NAN, NAN)),
        cell("contrastive", 0.6, (0.1, 0.02, 0.18)),
        cell("tags", NAN, (NAN, NAN, NAN), task="a|b", status="no test clips"),
        cell("contrastive", 0.4, (NAN, NAN, NAN), task="a|b", low=NAN, high=NAN, seeds=1),
    )
    runs = (
        run("tags", 0),
        run("tags", 1, energy_wh=2.0),
        run("contrastive", 0),
        run("contrastive", 1, "failed: no such label"),
        run("captioning", 0, "not run"),
        run("captioning", 1, "not run"),
    )
    return Study(design, runs, cells, (lead("contrastive", 0.1, 0.02, 0.18),))


def test_a_row_a_measure_and_a_column_a_level(study: Study) -> None:
    ((others, table),) = axis_rows(study, "objective", bold="*{}*".format, line="; ")
    head, first, second = table
    assert others == {}
    assert head == ["measure", "chance", "tags", "contrastive", "captioning", "random"]
    assert first == [
        "ESC-50, accuracy",
        "0.020",
        "0.500 [0.450, 0.550]",
        "0.600 [0.550, 0.650]; *+0.100 [+0.020, +0.180]*",
        "not run",
        "0.300 [0.250, 0.350]",
    ]
    assert second[2:4] == ["no test clips", "0.400 (no interval) (1 of 2 seeds)"]


def test_a_grid_has_a_table_for_each_setting_of_the_other_axes(study: Study) -> None:
    arms = {f"{a}, {b}": {"text": a, "loss": b} for a in ("new", "old") for b in ("x", "y")}
    axes = {"text": ("new", "old"), "loss": ("x", "y")}
    design = Design(name="g", question="", axes=axes, arms=arms, seeds=(0,))
    assert design.blocks("text") == [
        ({"loss": "x"}, {"new": "new, x", "old": "old, x"}),
        ({"loss": "y"}, {"new": "new, y", "old": "old, y"}),
    ]
    told = markdown_tables(Study(design, (), (cell("new, x", 0.5, (NAN, NAN, NAN)),)))
    assert "## text (loss y)" in told
    assert told.count("| new | old |") == 2


def test_unequal_audio_is_told(study: Study) -> None:
    assert audio_warnings(study) == []
    more = msgspec.structs.replace(run("captioning", 0), audio_s=700.0)
    (told,) = audio_warnings(Study(study.design, (*study.runs, more), study.cells))
    assert "captioning learnt from 700 s" in told
    assert told in markdown_tables(Study(study.design, (*study.runs, more), study.cells))


def test_costs_are_means_of_the_runs_that_are_done(study: Study) -> None:
    _, tags, contrastive, captioning = cost_rows(study)
    assert tags == ["tags", "2/2", "600", "1.5", "0.5", "2.00"]
    assert contrastive == ["contrastive", "1/2", "600", "1.0", "0.5", "-"]
    assert captioning == ["captioning", "0/2", "-", "-", "-", "-"]


def test_every_form_says_the_same_and_a_bar_breaks_no_row(study: Study, tmp_path: Path) -> None:
    write_tables(study, tmp_path)
    assert "a&#124;b" in markdown_tables(study)
    widths = {
        line.count("|") for line in markdown_tables(study).splitlines() if line.startswith("| ESC")
    }
    assert widths == {7}
    assert r"\textbf{+0.100 [+0.020, +0.180]}" in latex_tables(study)
    assert (tmp_path / "table.tex").read_text() == latex_tables(study)
    hostile = cell("tags", 0.5, (NAN, NAN, NAN), task="50% of {a_b} \\ $x$\n~")
    escaped = latex_tables(Study(study.design, (), (hostile,)))
    assert r"50\% of \{a\_b\} \textbackslash{} \$x\$ \textasciitilde{}" in escaped
    rows = (tmp_path / "cells.csv").read_text().splitlines()
    assert len(rows) == 1 + len(study.cells)
    assert "failed: no such label" in (tmp_path / "runs.csv").read_text()


def test_a_study_is_read_as_it_was_written(study: Study, tmp_path: Path) -> None:
    write_study(study, tmp_path)
    again = read_study(tmp_path)
    assert again.design == study.design
    assert [run.status for run in again.runs] == [run.status for run in study.runs]
    assert again.cells[2] == study.cells[2]
