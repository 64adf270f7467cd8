import html
import math

import msgspec
import pytest

from earmark.annotate.audit.results import NOTES_FILE, Agreement, ListCoverage
from earmark.report import write_report
from earmark.report.audit import (
    MAX_LABELS,
    group_agreement,
    label_extremes,
    read_audit,
    stack_coverage,
)
from earmark.report.run import load_run
from earmark.tables import write_parquet


def agreed(f1: float = 0.5, **changes: object) -> Agreement:
    row = Agreement(
        source="corpus",
        field="event",
        match="lemma",
        kind="label",
        group="dog",
        clips=40,
        labels=40,
        named=30,
        precision=f1,
        precision_low=f1,
        precision_high=f1,
        recall=f1,
        recall_low=f1,
        recall_high=f1,
        f1=f1,
        f1_low=f1,
        f1_high=f1,
    )
    return msgspec.structs.replace(row, **changes)


def covered(match: str, number: int, *missing: str) -> ListCoverage:
    return ListCoverage(
        name="ESC-50",
        match=match,  # pyright: ignore[reportArgumentType]
        classes=50,
        covered=number,
        missing=missing,
    )


def test_agreement_is_by_field_then_by_match():
    rows = [
        agreed(kind="all", match="semantic"),
        agreed(kind="all", match="exact"),
        agreed(kind="domain", group="music"),
        agreed(kind="all", match="exact", source="clotho", field=""),
    ]
    corpus, clotho = group_agreement(rows)
    assert (corpus.name, clotho.name) == ("corpus · event", "clotho")
    assert [row.match for row in corpus.whole] == ["exact", "semantic"]
    assert [row.group for row in corpus.domains] == ["music"]


def test_the_worst_and_the_best_labels_come_in_order_and_never_twice():
    rows = [agreed(n / 100, group=f"label {n:02d}") for n in range(30)]
    rows += [agreed(math.nan, group="never tagged"), agreed(0.0, group="other", match="exact")]
    (field,) = label_extremes(rows)
    assert [row.group for row in field.worst] == [f"label {n:02d}" for n in range(MAX_LABELS)]
    assert [row.group for row in field.best] == [f"label {n}" for n in range(29, 19, -1)]
    (few,) = label_extremes(rows[:3])
    assert [row.group for row in few.worst] == ["label 00", "label 01"]
    assert [row.group for row in few.best] == ["label 02"]
    assert label_extremes([agreed(math.nan)]) == ()


def test_each_way_to_match_adds_to_the_ones_before_it():
    rows = [covered("semantic", 30, "b", "a"), covered("exact", 10, "c"), covered("lemma", 25)]
    (found,) = stack_coverage(rows)
    assert [part.match for part in found.parts] == ["exact", "lemma", "semantic"]
    assert [part.added for part in found.parts] == [10, 15, 5]
    assert [part.share for part in found.parts] == [0.2, 0.5, 0.6]
    assert sum(part.width for part in found.parts) == pytest.approx(0.6)
    assert found.missing == ("a", "b")


def test_the_page_has_every_table_of_the_audit(page):
    for heading in (
        "Agreement with people's labels of the same clips",
        "Label by label",
        "Label lists that the vocabulary covers",
        "Map of tags and AudioSet classes",
        "The shape of the tags",
        "Taggers on the same captions",
        "Notes",
    ):
        assert f">{heading}</h3>" in page
    assert "exact <b>163</b> (31 %), lemma <b>252</b> (48 %), semantic <b>405</b> (77 %)" in page


def test_what_was_not_compared_is_counted(page):
    assert "Of 400 clips and captions, these were not compared:" in page
    assert "<b>1</b> no tags to be read" in page


def test_names_in_an_audit_stay_text(page):
    assert "<i>ESC-50</i>" not in page
    assert html.escape("<i>FSDKaggle2018</i>") in page
    assert "&lt;b&gt;300&lt;/b&gt; captions were sampled." in page


def test_a_run_without_an_audit_has_no_such_section(build, tmp_path):
    workspace = build(tmp_path / "workspace", "vocabulary", clips=12)
    assert read_audit(load_run(workspace)) is None
    page = write_report(workspace).read_text("utf-8")
    assert 'id="audit"' not in page
    assert 'href="#audit"' not in page


def test_an_audit_of_which_only_a_part_was_asked_for_shows_that_part(build, tmp_path):
    workspace = build(tmp_path / "workspace", "audit", clips=12)
    folder = workspace.latest_run()[1]["audit"].folder
    for name in ("agreement", "shape", "parsers", "map"):
        (folder / f"{name}.parquet").unlink()
    (folder / NOTES_FILE).unlink()
    page = write_report(workspace).read_text("utf-8")
    assert "Label lists that the vocabulary covers" in page
    for absent in ("Label by label", "Map of tags", "The shape of the tags", "were sampled"):
        assert absent not in page


def test_rows_without_a_value_are_shown_as_dashes(build, tmp_path):
    workspace = build(tmp_path / "workspace", "audit", clips=12)
    folder = workspace.latest_run()[1]["audit"].folder
    rows = [agreed(math.nan, kind="all", group="all")]
    write_parquet(folder / "agreement.parquet", rows, Agreement)
    page = write_report(workspace).read_text("utf-8")
    assert "nan" not in page.partition('id="audit"')[2].partition("</section>")[0]
