"""`earmark vocabulary` of bare files: what is said, what is written, and whatever users give it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from earmark.annotate.vocabulary import Vocabulary
from earmark.annotate.vocabulary.facts import Facts
from earmark.annotate.vocabulary.verbs import check_recipe, compare_files, make_alone
from earmark.config import ConfigError
from earmark.records import Rejected, read_parquet

GOOD = '{"id": "a", "caption": "A dog.", "tags": ["dog", "barking"]}'
STRANGE = {
    "truncated": ('{"id": "b", "tags": ["do', "not valid JSON"),
    "text": ('{"id": "b", "tags": "dog"}', "tags are not a list"),
    "null": ('{"id": "b", "tags": null}', "tags are not a list"),
    "number": ('{"id": "b", "tags": 7}', "tags are not a list"),
    "object": ('{"id": "b", "tags": {"dog": 1}}', "tags are not a list"),
    "no tags": ('{"id": "b"}', "no tags"),
    "no id": ('{"tags": ["dog"]}', "no id"),
    "twice": (GOOD, "id is there twice"),
}


def source(folder: Path, *lines: str) -> Path:
    path = folder / "tags.jsonl"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("case", STRANGE)
def test_a_strange_row_is_set_aside_with_its_reason(case: str, tmp_path: Path) -> None:
    line, reason = STRANGE[case]
    told = make_alone(source(tmp_path, GOOD, line), tmp_path / "out", [])
    (row,) = read_parquet(tmp_path / "out" / "unread.parquet", Rejected)
    assert row.reason == reason
    assert f"1 {reason}" in told
    assert Vocabulary.load(tmp_path / "out" / "vocabulary.json").captions == 1


def test_strange_tags_are_dropped_and_counted(tmp_path: Path) -> None:
    tags = ["dog", "", "x" * 10_000, "\x00\x1b", "808", ["nested"], None, 3, "狗", "Пёс"]
    tags.append("bark\x07")
    rows = source(tmp_path, GOOD, json.dumps({"id": "b", "tags": tags}))
    make_alone(rows, tmp_path / "out", [])
    vocabulary = Vocabulary.load(tmp_path / "out" / "vocabulary.json")
    assert set(vocabulary.tags) == {"dog", "bark", "狗", "пёс"}
    assert vocabulary.encode(["barking", "bark\x07"])[0] == ("bark",)
    dropped = Facts.load(tmp_path / "out").dropped
    assert dropped == {
        "not text": 3,
        "empty": 1,
        "too long": 1,
        "control characters": 1,
        "no letters": 1,
    }


def test_the_papers_vocabulary_keeps_what_the_paper_counts(tmp_path: Path) -> None:
    rows = source(tmp_path, '{"id": "z", "tags": ["4/4", "Drum", "drum"]}', GOOD)
    make_alone(rows, tmp_path / "out", ['vocabulary.normalise="none"'])
    assert (tmp_path / "out" / "label_5.txt").read_text() == "4/4\nDrum\nbarking\ndog\ndrum\n"


@pytest.mark.parametrize("content", ["", "\n\n", "not json\n"])
def test_a_file_without_a_row_is_an_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "tags.jsonl").write_text(content)
    with pytest.raises(ConfigError, match=r"tags\.jsonl"):
        make_alone(tmp_path / "tags.jsonl", tmp_path / "out", [])


def test_rows_without_any_tag_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none of 0 tags"):
        make_alone(source(tmp_path, '{"id": "a", "tags": []}'), tmp_path / "out", [])


def test_sizes_are_those_of_the_command_line(tmp_path: Path) -> None:
    overrides = ["vocabulary.sizes=[1, 2]", 'vocabulary.normalise="none"']
    make_alone(source(tmp_path, GOOD), tmp_path / "out", overrides)
    assert (tmp_path / "out" / "label_1.txt").read_text() == "barking\n"
    with pytest.raises(ConfigError, match=r"sizes = \[3\] asks for 3 tags, but only 2"):
        make_alone(source(tmp_path, GOOD), tmp_path / "out", ["vocabulary.sizes=[3]"])
    with pytest.raises(ConfigError, match="Did you mean 'sizes'"):
        make_alone(source(tmp_path, GOOD), tmp_path / "out", ["vocabulary.size_s=[3]"])


def test_rows_are_written_anew(tmp_path: Path) -> None:
    packed = tmp_path / "tags.jsonl.gz"
    packed.write_bytes(gzip.compress(f'{GOOD}\n{{"id": "c", "tags": ["rain"], "x": 1}}\n'.encode()))
    told = make_alone(packed, tmp_path / "out", ["vocabulary.size=2"], rewrite=True)
    with gzip.open(tmp_path / "out" / "tags_2" / "tags.jsonl.gz", "rt") as stream:
        rows = [json.loads(line) for line in stream]
    assert rows == [{"id": "a", "caption": "A dog.", "tags": ["dog", "barking"]}]
    assert "1 no tag left" in told


def test_two_vocabularies_are_compared(tmp_path: Path) -> None:
    rows = source(tmp_path, GOOD, '{"id": "b", "tags": ["dogs", "Rain"]}')
    make_alone(rows, tmp_path / "old", ['vocabulary.normalise="none"'])
    make_alone(rows, tmp_path / "new", [])
    told = compare_files(tmp_path / "old", tmp_path / "new" / "vocabulary.json", rows)
    assert "dogs -> dog" in told
    assert "Rain -> rain" in told
    assert "of 2 clips" in told


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"rank": 1', '"rank": 7', "has rank 7"),
        ('"df": 1', '"df": 99', "has df 99"),
        ('"captions": 1', '"captions": "many"', "not a vocabulary lock file"),
        ('"tag": "dog"', '"tag": "barking"', "is there twice"),
        ("earmark vocabulary 2", "earmark vocabulary 9", "its format is"),
        ('"fingerprint": "', '"fingerprint": "0', "has the fingerprint"),
    ],
)
def test_a_lock_file_that_was_edited_is_refused(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    make_alone(source(tmp_path, GOOD), tmp_path / "out", [])
    lock = tmp_path / "out" / "vocabulary.json"
    text = lock.read_text()
    assert old in text
    lock.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        compare_files(lock, lock, None)


def test_a_file_of_rows_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--out DIR"):
        check_recipe(str(source(tmp_path, GOOD)))
    check_recipe("folder")
