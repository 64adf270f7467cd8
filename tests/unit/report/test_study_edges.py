"""Studies that say little or much: one seed, uneven seeds, equal arms, a grid, many tasks."""

import re
from itertools import product

import msgspec
import numpy as np
import pytest

from earmark.report.study import write_study_page
from earmark.report.study.heat_map import build_heat_map
from earmark.report.study.model import StudyModel
from earmark.report.study.plots import MOST_DIFFERENCES, axis_limit, forest_plots, number_curves
from earmark.report.study.tables import axis_tables
from earmark.report.study.verdicts import (
    arm_verdicts,
    expected_by_chance,
    study_headline,
    undecided_tasks,
)
from earmark.study.results import Study

NAN = float("nan")
NO_ENDS = {"low": NAN, "high": NAN}


@pytest.fixture
def against(studies):
    """A function that builds a study of two arms from the differences' ends by task."""

    def build(ends, *, seeds=3, planned=(0, 1, 2), **changes) -> Study:
        arms = {name: {"objective": name} for name in ("tags", "contrastive")}
        design = studies.study(arms=arms, axes={"objective": tuple(arms)}, seeds=planned).design
        cells = [studies.cell(task, seeds=len(planned)) for task in ends]
        cells += [
            studies.compared(
                low, high, **{"task": task, "difference": 0.1, "seeds": seeds, **changes}
            )
            for task, (low, high) in ends.items()
        ]
        runs = [studies.run(arm, seed) for arm, seed in product(arms, planned)]
        return Study(design, tuple(runs), tuple(cells), studies.differences(design, cells))

    return build


def text_of(study: Study, folder) -> str:
    return write_study_page(study, folder / "study.html").read_text("utf-8")


def test_one_seed_has_no_interval_and_claims_nothing(against, tmp_path):
    study = against({"a": (NAN, NAN), "b": (NAN, NAN)}, seeds=1, planned=(0,), **NO_ENDS)
    page = text_of(study, tmp_path)
    found = StudyModel(study)
    assert forest_plots(axis_tables(found))[0].drawn == ()
    assert found.intervals == 0
    assert "Every comparison rests on a single seed and no interval" in page
    assert "by chance alone" not in page
    assert page.count("no interval") > 4
    assert "▲ +" not in page
    assert "nan" not in re.sub(r"<style>.*?</style>|<script.*?</script>", "", page, flags=re.S)
    assert [np.isnan(row.visible) for row in undecided_tasks(found)] == [True, True]


def test_an_arm_that_shares_one_seed_leaves_the_others_drawn(against, tmp_path):
    study = against({"a": (NAN, NAN), "b": (0.01, 0.2), "c": (-0.1, 0.1)}, seeds=2)
    text_of(study, tmp_path)
    (curves,) = forest_plots(axis_tables(StudyModel(study)))
    assert len(curves.drawn) == 1
    # The one without an interval comes first: of it nothing at all could be seen.
    assert [row.task for row in undecided_tasks(StudyModel(study))] == ["a", "c"]


def test_too_few_test_recordings_are_told_from_a_single_seed(against):
    study = against({"a": (NAN, NAN), "b": (0.1, 0.3)})
    assert (
        "1 of 2 comparisons rests on too few test recordings for an interval, which decides "
        "nothing."
    ) in study_headline(StudyModel(study)).lede


def test_random_weights_without_an_interval_are_not_held_against_the_base_arm(against, studies):
    study = against({"a": (0.1, 0.3)})
    random = studies.cell("a", arm="", encoder="random", **NO_ENDS)
    held = Study(study.design, study.runs, (*study.cells, random), study.differences)
    assert not any(
        "random weights" in sentence for sentence in study_headline(StudyModel(held)).lede
    )


def test_differences_that_are_all_nan_are_compared_with_nothing(against, tmp_path):
    study = against({"a": (NAN, NAN)}, difference=NAN)
    page = text_of(study, tmp_path)
    assert "nothing is claimed of their difference" in page
    assert build_heat_map(StudyModel(study), "linear", {}).rows[1].squares[0].judgement == "alone"


def test_equal_arms_have_a_drawing_and_no_verdict(against, tmp_path):
    study = against({"a": (0.0, 0.0), "b": (0.0, 0.0)}, difference=0.0)
    text_of(study, tmp_path)
    assert axis_limit(study.differences) == pytest.approx(1.08)
    assert len(forest_plots(axis_tables(StudyModel(study)))[0].drawn) == 1
    (verdict,) = arm_verdicts(StudyModel(study))
    assert verdict.undecided == ("a", "b")


def test_seeds_that_are_missing_are_counted_where_the_value_stands(against, tmp_path):
    study = against({"a": (0.1, 0.3)}, seeds=2)
    (verdict,) = arm_verdicts(StudyModel(study))
    assert verdict.seeds == "2 of 3 seeds"
    assert build_heat_map(StudyModel(study), "linear", {}).rows[1].squares[0].note == "2 of 3 seeds"
    assert (
        "Every comparison rests on two seeds, whose intervals are wide."
        in study_headline(StudyModel(study)).lede
    )
    assert text_of(study, tmp_path).count("2 of 3 seeds") >= 2


def test_intervals_are_text_and_no_hint_that_needs_a_mouse(study_path):
    page = study_path.read_text("utf-8")
    assert " title=" not in page
    assert re.search(r"clearly (better|worse)</span></span><span class=.note between.>[+−]", page)


def test_what_chance_gives_is_not_rounded_up():
    assert [expected_by_chance(n) for n in (2, 3, 55, 200, 4000)] == [
        "0.1",
        "0.15",
        "2.8",
        "10",
        "200",
    ]


@pytest.fixture(scope="module")
def grid(studies):
    """Two objectives by three sizes: every axis has a block for each level of the other."""
    axes = {"objective": ("tags", "contrastive"), "K": ("300", "1000", "3000")}
    arms = {f"{o}, {k}": {"objective": o, "K": k} for o, k in product(*axes.values())}
    return studies.study(axes=axes, arms=arms)


def test_a_grid_has_a_block_for_each_setting_of_the_other_axes(grid):
    objective, size = axis_tables(StudyModel(grid))
    assert [block.setting for block in objective.blocks] == ["K 300", "K 1000", "K 3000"]
    assert [block.base for block in size.blocks] == ["tags, 300", "contrastive, 300"]
    rows = size.blocks[1].groups[0].rows
    assert [row.is_base for row in rows] == [True, False, False]
    assert all(row.difference.base == "contrastive, 300" for row in rows[1:])
    drawn = forest_plots((objective, size))
    assert [title for title, _ in drawn[1].drawn][2:] == [
        *("1000, objective contrastive", "3000, objective contrastive")
    ]


@pytest.mark.slow
def test_a_curve_of_a_grid_is_that_of_the_base_arm_s_block(grid, tmp_path):
    (curves,) = number_curves(StudyModel(grid))
    assert (curves.axis, curves.setting) == ("K", "objective tags")
    page = text_of(grid, tmp_path)
    assert "At objective tags, as of the base arm." in page
    # Three sizes with one pair of objectives each, on eleven tasks.
    assert "Of these 33 intervals, about 1.6 would exclude zero by chance alone" in page


def test_hundreds_of_tasks_stay_a_light_page(against, tmp_path):
    study = against({f"task {place:03d}": (-0.1, 0.02 * (place % 9)) for place in range(300)})
    page = text_of(study, tmp_path)
    assert len(page) < 500_000
    assert f"Drawn are the first {MOST_DIFFERENCES} of 300 tasks." in page
    assert "the first 100 of 300 tasks; differences.parquet of the study has all" in page
    assert page.count("task 299") == 3  # in the verdict, the map and among the undecided


def test_less_is_better_is_what_the_rows_say_and_not_the_metric_s_name(against):
    study = against({"a": (0.1, 0.3)}, metric="error", lower_is_better=True)
    (verdict,) = arm_verdicts(StudyModel(study))
    assert verdict.worse == ("a",)
    cells = [msgspec.structs.replace(cell, lower_is_better=False) for cell in study.cells]
    (other,) = arm_verdicts(StudyModel(Study(study.design, study.runs, tuple(cells))))
    assert other.better == ("a",)
