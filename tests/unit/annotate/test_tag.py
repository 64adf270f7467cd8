"""What is read from a tagger's answers, what it took, and what could not be read."""

from __future__ import annotations

from pathlib import Path

from earmark.annotate.backends.scripted import ScriptedConfig
from earmark.annotate.jobs.answers import Answer
from earmark.annotate.jobs.local import LocalRunnerConfig
from earmark.annotate.jobs.run import run_job
from earmark.annotate.tag import (
    UNREADABLE_TAGS,
    read_parse_report,
    tag_job,
    tags_from_answer,
    write_tags,
)
from earmark.records import Caption, Rejected, TagSet
from earmark.tables import read_parquet, write_jsonl, write_parquet


def answer(text: str, first_draw: str = "") -> Answer:
    return Answer(row=0, id="a", backend="b", status="ok", text=text, first_draw=first_draw)


def test_tags_are_read_with_the_repairs_that_this_took() -> None:
    row, repairs = tags_from_answer(answer('```json\n["Dog", "bark"]\n```'))
    assert row == TagSet(id="a", tags=("dog", "bark"), backend="b")
    assert {"fence", "case"} <= set(repairs)


def test_what_cannot_be_read_is_rejected_with_its_words() -> None:
    row, repairs = tags_from_answer(answer("I'm sorry, I cannot help with that."))
    assert isinstance(row, Rejected)
    assert (row.stage, row.reason, repairs) == ("tag", UNREADABLE_TAGS, ())
    assert row.detail.startswith("I'm sorry")


def test_no_tags_are_none() -> None:
    assert isinstance(tags_from_answer(answer("[]"))[0], Rejected)


def test_the_first_draw_is_read_where_the_second_cannot_be() -> None:
    row, _ = tags_from_answer(answer("I cannot do that.", first_draw='["dog"]'))
    assert row == TagSet(id="a", tags=("dog",), backend="b")


def test_counts_and_the_parse_report_add_up(tmp_path: Path) -> None:
    table, script, answers = tmp_path / "c.parquet", tmp_path / "s.jsonl", tmp_path / "answers"
    captions = [Caption(id=name, text="t", summary="s", backend="x") for name in "abcd"]
    write_parquet(table, captions, Caption)
    write_jsonl(
        script,
        [
            {"id": "b", "text": "I'm sorry, I cannot help."},
            {"id": "c", "refusal": "no"},
            {"id": "d", "text": "['hum']"},
        ],
    )
    backend = ScriptedConfig(path=str(script), default='["hum"]')
    asked = run_job(tag_job(table, backend, answers), LocalRunnerConfig())
    assert asked == {"in": 4, "out": 3, "tag-raw: no": 1}
    counts = write_tags(answers, tmp_path)
    assert counts == {"in": 3, "out": 2, f"tag: {UNREADABLE_TAGS}": 1}
    assert [row.id for row in read_parquet(tmp_path / "tags.parquet", TagSet)] == ["a", "d"]
    report = read_parse_report(tmp_path)
    assert (report.answers, report.parsed, report.repairs) == (3, 2, {"single quotes": 1})
    assert str(report) == "tag: 66.7% of 3 answers read; repairs: 1 single quotes"
