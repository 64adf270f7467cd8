from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from earmark.annotate.audit.captions import (
    TextRow,
    inputs_digest,
    read_text_source,
    tag_captions,
    write_captions,
)
from earmark.annotate.audit.config import AuditConfig, LabelList, TextSource
from earmark.annotate.backends.scripted import ScriptedConfig
from earmark.annotate.jobs.local import LocalRunnerConfig
from earmark.config import ConfigError
from earmark.records import Caption, Rejected
from earmark.tables import read_parquet, write_jsonl


def source(tmp_path: Path, *lines: Any, name: str = "toy", **settings: Any) -> TextSource:
    path = tmp_path / f"{name}.jsonl"
    written = [
        each if isinstance(each, str) else msgspec.json.encode(each).decode() for each in lines
    ]
    path.write_text("\n".join(written) + "\n")
    return TextSource(name=name, path=str(path), **settings)


def test_one_or_several_captions_a_row(tmp_path: Path) -> None:
    text = source(
        tmp_path,
        {"id": "a", "captions": "A dog barks.", "said": ["dog", "bark", "dog"]},
        {"captions": ["Rain.", "Rain.", " "]},
        labels="said",
    )
    assert list(read_text_source(text)) == [
        TextRow("a", ("A dog barks.",), ("dog", "bark")),
        TextRow("2", ("Rain.", "Rain."), ()),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": "b", "captions": ["cut', "broken row"),
        ("[1]", "broken row"),
        ({"id": "b"}, "no caption"),
        ({"id": "b", "captions": ["", " "]}, "no caption"),
        ({"id": "b", "captions": 3}, "caption is no text"),
        ({"id": "b", "captions": [["nested"]]}, "caption is no text"),
        ({"id": "b", "captions": {"en": "Rain."}}, "caption is no text"),
        ({"id": "b", "captions": "Rain.", "said": [3]}, "broken labels"),
        ({"id": "a", "captions": "Rain."}, "duplicate row"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason(tmp_path: Path, line: Any, reason: str) -> None:
    good = {"id": "a", "captions": "A dog.", "said": ["dog"]}
    counts = write_captions([source(tmp_path, good, line, labels="said")], tmp_path / "texts")
    assert counts == {"in": 2, "out": 1, f"audit: {reason}": 1}
    (rejected,) = read_parquet(tmp_path / "texts" / "rejected.parquet", Rejected)
    assert rejected.id.startswith("toy/")
    assert (rejected.stage, rejected.reason) == ("audit", reason)


def test_captions_are_known_by_source_row_and_number(tmp_path: Path) -> None:
    first = source(tmp_path, {"id": "a", "captions": ["One.", "Two."]}, name="first")
    second = source(tmp_path, {"id": "a", "captions": "Three."}, name="second")
    write_captions([first, second], tmp_path / "texts")
    rows = read_parquet(tmp_path / "texts" / "captions.parquet", Caption)
    assert [row.id for row in rows] == ["first/a#0", "first/a#1", "second/a#0"]


def test_tags_are_asked_for_once(tmp_path: Path) -> None:
    write_captions([source(tmp_path, {"id": "a", "captions": ["One.", "Two."]})], tmp_path)
    answers = tmp_path / "answers.jsonl"
    write_jsonl(
        answers, [{"id": "toy/a#0", "text": '["dog"]'}, {"id": "toy/a#1", "text": "I cannot."}]
    )
    config = ScriptedConfig(path=str(answers))
    captions = tmp_path / "captions.parquet"
    found, rejected = tag_captions(captions, config, LocalRunnerConfig(), tmp_path)
    assert {name: row.tags for name, row in found.items()} == {"toy/a#0": ("dog",)}
    assert [(row.id, row.stage) for row in rejected] == [("toy/a#1", "audit")]
    write_jsonl(answers, [])  # whoever is asked now refuses everything
    assert tag_captions(captions, config, LocalRunnerConfig(), tmp_path)[0] == found


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"captions": "caption"}, "Did you mean 'captions'"),
        ({"labels": "sayd"}, "Did you mean 'said'"),
    ],
)
def test_a_column_that_no_row_has(tmp_path: Path, settings: dict[str, str], message: str) -> None:
    text = source(tmp_path, {"id": "a", "captions": "Rain.", "said": []}, **settings)
    with pytest.raises(ConfigError, match=message):
        list(read_text_source(text))


@pytest.mark.parametrize("name", ["", "a/b", "corpus"])
def test_a_name_that_would_be_mistaken(tmp_path: Path, name: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"captions": "Rain."}\n')
    with pytest.raises(ConfigError, match="name"):
        list(read_text_source(TextSource(name=name, path=str(path))))


def test_a_source_that_is_no_jsonl(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="should be a"):
        list(read_text_source(TextSource(name="toy", path=str(tmp_path / "rows.csv"))))


def test_the_digest_is_of_what_stands_in_the_files(tmp_path: Path) -> None:
    text = source(tmp_path, {"captions": "Rain."})
    labels = tmp_path / "list.txt"
    labels.write_text("dog\n")
    config = AuditConfig(texts=(text,), lists=(LabelList(name="toy", path=str(labels)),))
    before = inputs_digest(config)
    assert inputs_digest(config) == before
    labels.write_text("cat\n")
    assert inputs_digest(config) != before
    with pytest.raises(ConfigError, match="cannot be read"):
        inputs_digest(AuditConfig(texts=(TextSource(name="no", path=str(tmp_path / "no.jsonl")),)))
