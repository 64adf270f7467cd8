"""Rows go through Parquet and JSONL and come back equal; what is no row is told with its place."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earmark.records import Caption, Clip, Example, Rejected, Row, Score, Source, TagSet
from earmark.tables import (
    arrow_schema,
    count_rejections,
    read_jsonl,
    read_metadata,
    read_parquet,
    write_jsonl,
    write_parquet,
)
from factories import MAX_HEAVY_EXAMPLES

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LABELS = st.dictionaries(TEXT, st.lists(TEXT, max_size=3).map(tuple), max_size=3)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(-(2**63), 2**63 - 1)
KNOWN = {
    "path": TEXT,
    "name": TEXT,
    "labels": LABELS,
    "recording": st.none() | TEXT,
    "speaker": st.none() | TEXT,
    "original_captions": st.lists(TEXT, max_size=2).map(tuple),
}
WINDOW = {"start_s": FINITE, "parent": st.none() | TEXT}
ROWS: dict[type[Row], st.SearchStrategy[Row]] = {
    Source: st.builds(Source, **KNOWN),
    Clip: st.builds(
        Clip, **KNOWN, **WINDOW, id=TEXT, duration_s=FINITE, sample_rate=COUNTS, channels=COUNTS,
        peak_dbfs=FINITE, loudness_lufs=FINITE, parent_duration_s=st.none() | FINITE,
    ),
    Rejected: st.builds(Rejected, id=TEXT, stage=TEXT, reason=TEXT, detail=TEXT),
    Caption: st.builds(Caption, id=TEXT, text=TEXT, summary=TEXT, backend=TEXT),
    TagSet: st.builds(TagSet, id=TEXT, tags=st.lists(TEXT).map(tuple), backend=TEXT),
    Example: st.builds(
        Example, **KNOWN, **WINDOW, id=TEXT, duration_s=FINITE, split=TEXT,
        tags=st.lists(TEXT).map(tuple), tag_ids=st.lists(COUNTS).map(tuple), caption=TEXT,
        summary=TEXT,
    ),
    Score: st.builds(
        Score, task=TEXT, encoder=TEXT, metric=TEXT, value=FINITE, low=FINITE, high=FINITE,
        chance=FINITE, train=COUNTS, test=COUNTS, classes=COUNTS, seed=COUNTS, status=TEXT,
    ),
}  # fmt: skip

# The folder is shared by the examples, which each write the file anew.
anew = settings(
    max_examples=MAX_HEAVY_EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("kind", ROWS)
@anew
@given(data=st.data())
def test_rows_come_back_equal(kind: type[Row], data: st.DataObject, tmp_path: Path) -> None:
    rows = data.draw(st.lists(ROWS[kind], max_size=4))
    write_parquet(tmp_path / "rows.parquet", rows, kind)
    assert read_parquet(tmp_path / "rows.parquet", kind) == rows
    for name in ("rows.jsonl", "rows.jsonl.gz"):
        write_jsonl(tmp_path / name, rows)
        assert list(read_jsonl(tmp_path / name, kind)) == rows


@pytest.mark.parametrize("kind", ROWS)
def test_an_empty_table_keeps_its_columns(kind: type[Row], tmp_path: Path) -> None:
    write_parquet(tmp_path / "none.parquet", [], kind)
    assert read_parquet(tmp_path / "none.parquet", kind) == []
    assert tuple(pq.read_schema(tmp_path / "none.parquet").names) == kind.__struct_fields__


def test_a_score_without_a_value_comes_back_as_nan(tmp_path: Path) -> None:
    nan = math.nan
    score = Score(
        task="t", encoder="random", metric="accuracy", value=nan, low=nan, high=nan, chance=0.5,
        train=0, test=0, classes=2, seed=0, status="one class",
    )  # fmt: skip
    write_parquet(tmp_path / "scores.parquet", [score], Score)
    (back,) = read_parquet(tmp_path / "scores.parquet", Score)
    assert math.isnan(back.value)
    assert back.status == "one class"


def test_metadata_travels_in_the_schema(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", [], TagSet, metadata={"vocabulary": "3f9a"})
    write_parquet(tmp_path / "b.parquet", [], TagSet)
    assert read_metadata(tmp_path / "a.parquet") == {"vocabulary": "3f9a"}
    assert read_metadata(tmp_path / "b.parquet") == {}


def test_other_columns_are_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / "tags.parquet", [TagSet(id="a", tags=("dog",), backend="b")], TagSet)
    with pytest.raises(ValueError, match=r"tags.parquet does not hold Caption rows: .*'summary'"):
        read_parquet(tmp_path / "tags.parquet", Caption)


def test_a_missing_column_is_refused_even_where_its_field_has_a_default(tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": ["/a"], "name": ["a"]}), tmp_path / "half.parquet")
    with pytest.raises(ValueError, match="does not hold Source rows: no column 'attribution'"):
        read_parquet(tmp_path / "half.parquet", Source)


def test_scores_from_before_clips_had_a_digest_are_read(tmp_path: Path) -> None:
    score = Score(
        task="t", encoder="random", metric="accuracy", value=0.5, low=0.4, high=0.6, chance=0.5,
        train=4, test=8, classes=2, seed=0, clips="3f9a", lower_is_better=True,
    )  # fmt: skip
    write_parquet(tmp_path / "new.parquet", [score], Score)
    older = pq.read_table(tmp_path / "new.parquet").drop_columns(["clips", "lower_is_better"])
    pq.write_table(older, tmp_path / "old.parquet")
    (back,) = read_parquet(tmp_path / "old.parquet", Score)
    assert (back.clips, back.lower_is_better) == ("", False)


def test_a_table_from_before_there_were_original_captions_is_read(tmp_path: Path) -> None:
    rows = [Source(path="/a", name="a", original_captions=("A dog.",))]
    write_parquet(tmp_path / "new.parquet", rows, Source)
    older = pq.read_table(tmp_path / "new.parquet").drop_columns(["original_captions"])
    pq.write_table(older, tmp_path / "old.parquet")
    assert read_parquet(tmp_path / "old.parquet", Source) == [Source(path="/a", name="a")]


def test_a_column_of_another_type_is_refused(tmp_path: Path) -> None:
    table = pa.table({"id": [1], "text": ["t"], "summary": ["s"], "backend": ["b"]})
    pq.write_table(table, tmp_path / "ids.parquet")
    with pytest.raises(ValueError, match=r"does not hold Caption rows.*id"):
        read_parquet(tmp_path / "ids.parquet", Caption)


@pytest.mark.parametrize("line", [b'{"id":"b"', b'{"id":3}', b'{"id":"\xff"}', b""])
def test_a_line_that_is_no_row_is_named(line: bytes, tmp_path: Path) -> None:
    good = msgspec.json.encode(TagSet(id="a", tags=(), backend="b"))
    (tmp_path / "rows.jsonl").write_bytes(good + b"\n" + line + b"\n")
    with pytest.raises(ValueError, match=r"rows.jsonl:2: not a TagSet row"):
        list(read_jsonl(tmp_path / "rows.jsonl", TagSet))


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    rows = [TagSet(id="a", tags=("dog", "rain"), backend="b")]
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_jsonl(tmp_path / folder / f"{folder}.jsonl.gz", rows)
        write_parquet(tmp_path / folder / f"{folder}.parquet", rows, TagSet)
    for suffix in ("jsonl.gz", "parquet"):
        one, two = (tmp_path / name / f"{name}.{suffix}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    write_jsonl(path, [TagSet(id="old", tags=(), backend="b")])
    with pytest.raises(UnicodeEncodeError):
        write_jsonl(path, [TagSet(id="\udce9", tags=(), backend="b")])
    assert [row.id for row in read_jsonl(path, TagSet)] == ["old"]
    with gzip.open(path) as stream:
        assert stream.read().count(b"\n") == 1


def test_reasons_are_counted_by_stage_most_frequent_first() -> None:
    rows = [
        Rejected(id=str(index), stage=stage, reason=reason)
        for index, (stage, reason) in enumerate([("scan", "silent")] + 2 * [("tag", "empty")])
    ]
    assert list(count_rejections(rows).items()) == [("tag: empty", 2), ("scan: silent", 1)]
    assert count_rejections([]) == {}


def test_a_type_without_an_arrow_form_is_told() -> None:
    class Odd(Row, frozen=True, kw_only=True):
        value: complex

    with pytest.raises(TypeError, match=r"no Arrow type for .*complex"):
        arrow_schema(Odd)
