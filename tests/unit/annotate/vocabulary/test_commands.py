"""`earmark vocabulary` of bare files: what is said, what is written, and whatever users give it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from earmark.annotate.vocabulary import Vocabulary
from earmark.annotate.vocabulary.commands import build_from_files, check_sources, compare_files
from earmark.annotate.vocabulary.formats import open_vocabulary
from earmark.annotate.vocabulary.stats import VocabularyStats
from earmark.config import ConfigError
from earmark.io import file_lock
from earmark.records import Rejected
from earmark.tables import read_parquet
from earmark.workspace import StageError

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
    told = build_from_files(source(tmp_path, GOOD, line), tmp_path / "out", [])
    (row,) = read_parquet(tmp_path / "out" / "unread.parquet", Rejected)
    assert row.reason == reason
    assert f"1 {reason}" in told
    assert Vocabulary.load(tmp_path / "out" / "vocabulary.json").captions == 1


def test_strange_tags_are_dropped_and_counted(tmp_path: Path) -> None:
    tags = ["dog", "", "x" * 10_000, "\x00\x1b", "808", ["nested"], None, 3, "狗", "Пёс"]
    tags.append("bark\x07")
    rows = source(tmp_path, GOOD, json.dumps({"id": "b", "tags": tags}))
    build_from_files(rows, tmp_path / "out", [])
    vocabulary = Vocabulary.load(tmp_path / "out" / "vocabulary.json")
    assert set(vocabulary.tags) == {"dog", "bark", "狗", "пёс"}
    assert vocabulary.encode(["barking", "bark\x07"])[0] == ("bark",)
    dropped = VocabularyStats.load(tmp_path / "out").dropped
    assert dropped == {
        "not text": 3,
        "empty": 1,
        "too long": 1,
        "control characters": 1,
        "no letters": 1,
    }


def test_the_papers_vocabulary_keeps_what_the_paper_counts(tmp_path: Path) -> None:
    rows = source(tmp_path, '{"id": "z", "tags": ["4/4", "Drum", "drum"]}', GOOD)
    build_from_files(rows, tmp_path / "out", ['vocabulary.normalize="none"'])
    assert (tmp_path / "out" / "label_5.txt").read_text() == "4/4\nDrum\nbarking\ndog\ndrum\n"


@pytest.mark.parametrize("content", ["", "\n\n", "not json\n"])
def test_a_file_without_a_row_is_an_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "tags.jsonl").write_text(content)
    with pytest.raises(ConfigError, match=r"tags\.jsonl"):
        build_from_files(tmp_path / "tags.jsonl", tmp_path / "out", [])


def test_rows_without_any_tag_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none of 0 tags"):
        build_from_files(source(tmp_path, '{"id": "a", "tags": []}'), tmp_path / "out", [])


def test_sizes_are_those_of_the_command_line(tmp_path: Path) -> None:
    overrides = ["vocabulary.sizes=[1, 2]", 'vocabulary.normalize="none"']
    build_from_files(source(tmp_path, GOOD), tmp_path / "out", overrides)
    assert (tmp_path / "out" / "label_1.txt").read_text() == "barking\n"
    with pytest.raises(ConfigError, match=r"sizes = \[3\] asks for 3 tags, but only 2"):
        build_from_files(source(tmp_path, GOOD), tmp_path / "out", ["vocabulary.sizes=[3]"])
    with pytest.raises(ConfigError, match="Did you mean 'sizes'"):
        build_from_files(source(tmp_path, GOOD), tmp_path / "out", ["vocabulary.size_s=[3]"])


def test_rows_are_written_anew(tmp_path: Path) -> None:
    packed = tmp_path / "tags.jsonl.gz"
    packed.write_bytes(gzip.compress(f'{GOOD}\n{{"id": "c", "tags": ["rain"], "x": 1}}\n'.encode()))
    told = build_from_files(packed, tmp_path / "out", ["vocabulary.size=2"], rewrite=True)
    with gzip.open(tmp_path / "out" / "rewritten_2" / "tags.jsonl.gz", "rt") as stream:
        rows = [json.loads(line) for line in stream]
    assert rows == [{"id": "a", "caption": "A dog.", "tags": ["dog", "barking"]}]
    assert "1 no tag left" in told


def tags_by_id(path: Path) -> dict[str, list[str]]:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    return dict(zip(*(table.column(name).to_pylist() for name in ("id", "tags")), strict=True))


def test_the_sizes_of_this_build_alone_are_written_anew_each_once(tmp_path: Path) -> None:
    rows = source(tmp_path, GOOD, '{"id": "c", "tags": ["rain"]}')
    out = tmp_path / "out"
    build_from_files(rows, out, ["vocabulary.sizes=[3]", "vocabulary.size=3"])
    told = build_from_files(
        rows, out, ["vocabulary.sizes=[1, 2]", "vocabulary.size=2"], rewrite=True
    )
    written = sorted(path.parent.name for path in out.glob("rewritten_*/tags.jsonl"))
    assert written == ["rewritten_1", "rewritten_2"]
    assert told.count("tags.jsonl: ") == 2
    earlier = "id2label_3.json, label_3.txt, tags_3, vocabulary_3.json"
    assert f"of an earlier build, and not touched: {earlier}\n" in told
    assert "earlier" not in build_from_files(rows, tmp_path / "new", ["vocabulary.sizes=[3]"])
    told = build_from_files(rows, tmp_path / "new", [])
    assert "earlier build, and not touched: vocabulary_3.json\n" in told


def test_the_same_rows_are_filtered_and_written_anew(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    again = '{"id": "a", "tags": ["rain"]}'
    for name, lines in {
        "a": (GOOD, "{", again),
        "b": (again, *(f'{{"id": "{name}", "tags": ["rain"]}}' for name in "xyz")),
    }.items():
        (tmp_path / "in" / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    told = build_from_files(tmp_path / "in", tmp_path / "out", [], rewrite=True)
    rain = {name: ["rain"] for name in "xyz"}
    for name, kept in {"a": {"a": ["dog", "barking"]}, "b": rain}.items():
        rewritten = tmp_path / "out" / "rewritten_3" / f"{name}.jsonl"
        anew = map(json.loads, rewritten.read_text().splitlines())
        assert {row["id"]: row["tags"] for row in anew} == kept
        assert tags_by_id(tmp_path / "out" / "tags_3" / f"{name}.parquet") == kept
    assert told.count("1 id is there twice") == 2


def test_parquet_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": ["a"], "tags": [["dog"]]}), tmp_path / "tags.parquet")
    with pytest.raises(ConfigError, match="no file of JSON lines"):
        build_from_files(tmp_path / "tags.parquet", tmp_path / "out", [], rewrite=True)
    assert not (tmp_path / "out").exists()


def test_one_build_at_a_time_writes_into_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with (
        file_lock(tmp_path / "out" / "lock"),
        pytest.raises(ConfigError, match=r"out is being written by process \d+ on"),
    ):
        build_from_files(source(tmp_path, GOOD), tmp_path / "out", [])


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "tags_9").mkdir(parents=True)
    (out / "notes.tmp").touch()
    ours = ("tags_9/a.parquet.tmp", "tags_9/a.jsonl.tmp", "unread.parquet.tmp")
    ours += ("vocabulary_9.json.host-1.tmp", "label_9.txt.host-1.tmp")
    for name in ours:
        (out / name).touch()
    build_from_files(source(tmp_path, GOOD), out, [])
    assert [path.name for path in out.rglob("*.tmp")] == ["notes.tmp"]


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_is_no_folder_to_write_into(tmp_path: Path, below: str) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(ConfigError, match=r"--out .* is a file.*Give a folder"):
        build_from_files(source(tmp_path, GOOD), tmp_path / "out" / below, [])


@pytest.mark.parametrize("steps", ['"none"', '["case"]', '"all"'])
def test_a_line_break_in_a_tag_costs_that_tag_alone(tmp_path: Path, steps: str) -> None:
    tags = ["dog", " dog", "hip\nhop", "hip hop\u2028"]
    rows = source(tmp_path, json.dumps({"id": "a", "tags": tags}))
    build_from_files(rows, tmp_path / "out", [f"vocabulary.normalize={steps}"])
    vocabulary = Vocabulary.load(tmp_path / "out" / "vocabulary.json")
    folded = steps == '"all"'
    assert set(vocabulary.tags) == ({"dog", "hip-hop"} if folded else {"dog", " dog"})
    assert VocabularyStats.load(tmp_path / "out").dropped == ({} if folded else {"line break": 2})
    assert vocabulary.class_of("a\nb") is None
    labels = open_vocabulary(tmp_path / "out" / "label_2.txt")
    assert labels.tags == vocabulary.tags


def test_clips_are_compared_as_they_are_counted(tmp_path: Path) -> None:
    rows = source(tmp_path, GOOD, GOOD, '{"id": "b", "tags"', '{"id": "c", "tags": ["rain"]}')
    build_from_files(rows, tmp_path / "out", [])
    told = compare_files(tmp_path / "out", tmp_path / "out", rows)
    assert "0 of 2 clips" in told
    assert told.endswith("rows set aside: 1 not valid JSON\nrows set aside: 1 id is there twice")


def test_two_vocabularies_are_compared(tmp_path: Path) -> None:
    rows = source(tmp_path, GOOD, '{"id": "b", "tags": ["dogs", "Rain"]}')
    build_from_files(rows, tmp_path / "old", ['vocabulary.normalize="none"'])
    build_from_files(rows, tmp_path / "new", [])
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
        ("earmark vocabulary 3", "earmark vocabulary 9", "its format is"),
        ('"fingerprint": "', '"fingerprint": "0', "has the fingerprint"),
    ],
)
def test_a_lock_file_that_was_edited_is_refused(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    build_from_files(source(tmp_path, GOOD), tmp_path / "out", [])
    lock = tmp_path / "out" / "vocabulary.json"
    text = lock.read_text()
    assert old in text
    lock.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        compare_files(lock, lock, None)


def test_most_rows_set_aside_is_no_success(tmp_path: Path) -> None:
    rows = source(tmp_path, *(5 * [GOOD]))
    with pytest.raises(StageError, match=r"4 of 5 rows were set aside \(4 id is there twice\)"):
        build_from_files(rows, tmp_path / "out", [])


def test_files_of_rows_go_with_a_folder_to_write(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text("{}\n")
    rows = str(tmp_path / "a.jsonl")
    with pytest.raises(ConfigError, match="--out DIR"):
        check_sources(rows, [], None)
    with pytest.raises(ConfigError, match="put them into one folder"):
        check_sources(rows, [str(tmp_path / "b.jsonl")], tmp_path)
    check_sources("folder", ["vocabulary.size=3"], None)
    check_sources(rows, [], tmp_path)
