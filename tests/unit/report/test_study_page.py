"""The study's page: what it claims follows from intervals, and it escapes and survives anything."""

import math
import re
from html.parser import HTMLParser

import msgspec
import pytest

from earmark.report.study import write_study_page
from earmark.report.study.heat_map import build_heat_map
from earmark.report.study.model import StudyModel, judge_cell
from earmark.report.study.plots import few_shot_curves, number_curves
from earmark.report.study.tables import arm_costs, axis_tables, run_folders
from earmark.report.study.verdicts import arm_verdicts, study_headline, undecided_tasks
from earmark.study.results import Study

NAN = float("nan")


class Page(HTMLParser):
    """Collects elements and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def small(studies):
    """Two arms on three tasks: one better, one worse and one undecided."""
    design = studies.study().design
    arms = {name: design.arms[name] for name in ("tags", "contrastive")}
    cells = [studies.cell(task) for task in ("won", "lost", "open")]
    cells += [
        studies.compared(0.01, 0.09, task="won"),
        studies.compared(-0.09, -0.01, task="lost"),
        studies.compared(-0.02, 0.06, task="open"),
        studies.cell("won", arm="", encoder="random", low=0.2, mean=0.3, high=0.4),
        studies.cell("lost", arm="", encoder="random", low=0.6, mean=0.7, high=0.8),
    ]
    runs = [studies.run(arm, seed) for arm in arms for seed in (0, 1)]
    design = msgspec.structs.replace(design, arms=arms, seeds=(0, 1, 2))
    return Study(design, tuple(runs), tuple(cells), studies.differences(design, cells))


def test_only_intervals_make_verdicts(small):
    found = StudyModel(small)
    assert study_headline(found).lede == (
        "On 1 of 3 tasks an arm is clearly better than tags; on 1 one is clearly worse; "
        "on 1 the data is too thin to say.",
        "These are 3 comparisons: about 0.15 of them would exclude zero by chance alone if no "
        "arm differed.",
        "The interval of tags lies wholly on the better side of that of random weights on "
        "1 of 2 tasks.",
    )
    (verdict,) = arm_verdicts(found)
    assert (verdict.better, verdict.worse, verdict.undecided) == (("won",), ("lost",), ("open",))
    (thin,) = undecided_tasks(found)
    assert thin.task == "open"
    assert (thin.visible, thin.largest) == pytest.approx((0.04, 0.02))


def test_an_interval_that_touches_zero_decides_nothing(studies):
    assert judge_cell(studies.compared(0.0, 0.1)) == "undecided"
    assert judge_cell(studies.compared(0.001, 0.1)) == "better"
    assert judge_cell(studies.compared(0.001, 0.1, lower_is_better=True)) == "worse"
    assert judge_cell(studies.compared(NAN, NAN, difference=0.1)) == "undecided"
    assert judge_cell(studies.cell()) == "alone"
    assert judge_cell(studies.cell(mean=NAN)) == "none"
    assert judge_cell(studies.compared(0.1, 0.2, status="other test clips")) == "alone"


def test_the_map_marks_what_is_decided_by_more_than_colour(small):
    drawn = build_heat_map(
        StudyModel(small), "linear", {"random": "random weights", "log-mel": "log-mel"}
    )
    assert drawn
    won, lost, undecided = drawn.rows[1].squares
    assert (won.mark, lost.mark, undecided.mark) == ("▲", "▼", "")
    assert won.shade > 0
    assert undecided.shade == 0
    assert [row.name for row in drawn.baselines] == ["random weights"]
    assert drawn.baselines[0].squares[2].why == "not measured"


def test_an_axis_holds_only_arms_that_differ_on_it_alone(studies):
    objective, size = axis_tables(StudyModel(studies.study()))
    (objectives,), (sizes,) = objective.blocks, size.blocks
    assert objectives.levels == studies.OBJECTIVES
    assert [row.arm for row in sizes.groups[0].rows] == ["tags, K=300", "tags", "tags, K=3000"]
    rows = {row.level: row for row in objectives.groups[0].rows}
    assert rows["tags"].is_base
    assert rows["captioning"].judgement == "none"
    assert rows["multi-task"].seeds == "2 of 3"


def test_a_curve_needs_levels_that_are_numbers(studies):
    (curves,) = number_curves(StudyModel(studies.study()))
    assert curves.axis == "K"
    assert len(curves.drawn) == len(studies.TASKS)
    shots = few_shot_curves(StudyModel(studies.study()))
    assert shots
    assert len(shots.drawn) == 4
    assert shots.left_out == ("tags, K=300", "tags, K=3000")


def test_a_cost_that_is_not_known_of_every_run_is_not_summed(studies):
    by_arm = {cost.arm: cost for cost in arm_costs(StudyModel(studies.study()))}
    assert by_arm["tags"].energy_wh == 37.5
    assert by_arm["contrastive"].energy_wh is None
    assert (by_arm["captioning"].done, by_arm["captioning"].train_s) == (0, None)


def test_runs_link_to_folders_that_are_there(small, tmp_path):
    (tmp_path / "pretrain-0a1b2c3d4e5f").mkdir()
    page = tmp_path / "study-x" / "study.html"
    run, *_ = run_folders(StudyModel(small), tmp_path, page)
    assert run.stages[0] == ("pretrain", "pretrain-0a1b2c3d4e5f", "../pretrain-0a1b2c3d4e5f/")
    assert run.stages[1][2] == ""
    write_study_page(small, page, workspace=tmp_path)
    assert 'href="../pretrain-0a1b2c3d4e5f/"' in page.read_text("utf-8")


def test_the_page_says_which_runs_are_missing_and_why(study_path):
    text = re.sub(r"\s+", " ", Page(study_path.read_text("utf-8")).text)
    assert "4 runs are not part of what follows." in text
    assert "captioning, seed 1: the loss was not finite at step 40: lower pretrain.lr" in text
    assert "not measured: no finished run" in text


def test_the_page_is_self_contained_and_small(study_path, studies, tmp_path):
    text = study_path.read_text("utf-8")
    page = Page(text)
    for _, attributes in page.found:
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert "default-src 'none'" in text
    assert len(text) < 1_000_000
    assert write_study_page(studies.study(), tmp_path / "b.html").read_text("utf-8") == text
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.found:
        if tag == "a":
            assert attributes["href"][1:] in ids
        if "scroll" in attributes.get("class", "").split():
            assert attributes["tabindex"] == "0"


def test_one_arm_is_compared_with_nothing(studies, tmp_path):
    arms = {"tags": {"objective": "tags", "K": "1000"}}
    study = studies.study(question="", arms=arms, axes={"objective": ("tags",), "K": ("1000",)})
    headline = study_headline(StudyModel(study))
    assert headline.title == "What the study objectives found"
    assert "one arm, tags: there is nothing to compare it with" in headline.lede[0]
    text = write_study_page(study, tmp_path / "one.html").read_text("utf-8")
    assert 'id="axes"' not in text
    assert "nothing is claimed of their difference" in text


def test_a_study_of_failed_runs_has_a_page(studies, tmp_path):
    study = studies.study()
    runs = tuple(msgspec.structs.replace(run, status="killed", train_s=NAN) for run in study.runs)
    page = write_study_page(Study(study.design, runs, ()), tmp_path / "none.html")
    text = Page(page.read_text("utf-8")).text
    assert "No arm could be compared with tags" in text
    assert text.count("killed") >= len(runs)


def test_names_from_outside_stay_text(studies, hostile, tmp_path):
    arms = {hostile: {"objective": hostile}, "b": {"objective": "b"}}
    axes = {"objective": (hostile, "b")}
    cells = [
        studies.cell(hostile, arm=hostile, metric=hostile),
        studies.compared(0.1, 0.2, task=hostile, arm="b", metric=hostile),
        studies.cell("gone", arm="b", mean=math.nan, status=hostile),
    ]
    design = msgspec.structs.replace(
        studies.study().design, name=hostile, question=hostile, arms=arms, axes=axes
    )
    runs = (msgspec.structs.replace(studies.run(hostile, 0, hostile), pretrain=hostile),)
    page = Page(
        write_study_page(Study(design, runs, tuple(cells)), tmp_path / "h.html").read_text("utf-8")
    )
    assert [tag for tag, _ in page.found].count("script") == 1
    assert not [tag for tag, _ in page.found if tag == "img"]
    assert not [a for _, a in page.found if any(name.startswith("on") for name in a)]
    assert page.text.count(hostile) > 10
