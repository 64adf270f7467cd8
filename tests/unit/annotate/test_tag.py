from __future__ import annotations

from pathlib import Path

import pytest

from earmark.annotate.backends.scripted import ScriptedAnswer, ScriptedBackend
from earmark.annotate.execute import Answer
from earmark.annotate.tag import parse, tag
from earmark.records import Caption, Rejected, TagSet, read_parquet


@pytest.mark.parametrize("text", ["dog, bark", '{"tags": ["dog"]}', "[1, 2]", "null", "", "[[]]"])
def test_what_is_no_list_of_words_is_rejected_with_its_text(text: str) -> None:
    row = parse(Answer(id="a", backend="b", status="ok", text=text))
    assert isinstance(row, Rejected)
    assert row.reason == "not a JSON list"
    assert text in row.detail


def test_tags_are_lower_case_and_once() -> None:
    row = parse(Answer(id="a", backend="b", status="ok", text='["Dog", " dog ", "", "Bark"]'))
    assert row == TagSet(id="a", tags=("dog", "bark"), backend="b")


def test_no_tags_is_a_reason() -> None:
    row = parse(Answer(id="a", backend="b", status="ok", text="[]"))
    assert row == Rejected(id="a", stage="tag", reason="no tags")


def test_counts_add_up(tmp_path: Path) -> None:
    script = {"b": ScriptedAnswer(id="b", text="oops"), "c": ScriptedAnswer(id="c", refusal="no")}
    captions = [Caption(id=name, text="t", summary="s", backend="x") for name in "abc"]
    counts = tag(captions, ScriptedBackend(script, default='["hum"]'), tmp_path)
    assert counts == {"in": 3, "out": 1, "tag: not a JSON list": 1, "tag: no": 1}
    assert [row.tags for row in read_parquet(tmp_path / "tags.parquet", TagSet)] == [("hum",)]
