"""Shards cover a table once, and a job keeps to the number it was begun with."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.jobs.answers import (
    Answer,
    ShardWriter,
    collect_discovered,
    stream_answers,
    sum_totals,
)
from earmark.annotate.jobs.job import PromptTable
from earmark.annotate.jobs.shards import ROWS_PER_SHARD, Shard, create_shards, parse_shard
from earmark.config import ConfigError
from earmark.records import Caption
from earmark.tables import write_parquet


@given(total=st.integers(0, 10_000), count=st.integers(1, 100))
def test_shards_cover_every_row_once_and_evenly(total: int, count: int) -> None:
    parts = [Shard(index, count).rows(total) for index in range(count)]
    assert [row for part in parts for row in part] == list(range(total))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_shard_is_written_as_index_of_count() -> None:
    assert parse_shard("3/64") == Shard(3, 64)
    assert parse_shard("63/64") == Shard(63, 64)


@pytest.mark.parametrize("text", ["3", "3/0", "a/4", "-1/4", "3/64/2", ""])
def test_what_is_no_shard_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ConfigError, match="such as 3/64"):
        parse_shard(text)


def test_the_shard_after_the_last_is_told_the_last() -> None:
    with pytest.raises(ConfigError, match="counted from 0, so the last is 63/64"):
        parse_shard("64/64")


def test_a_job_keeps_its_number_of_shards(tmp_path: Path) -> None:
    assert len(create_shards(tmp_path, 10, 4)) == 4
    assert len(create_shards(tmp_path, 10)) == 4
    with pytest.raises(ConfigError, match="begun in 4 shards"):
        create_shards(tmp_path, 10, 8)


def test_a_large_job_is_cut_by_itself(tmp_path: Path) -> None:
    assert len(create_shards(tmp_path, 3 * ROWS_PER_SHARD - 1)) == 3


def answer(row: int, **fields: object) -> Answer:
    return Answer(row=row, id=f"{row}", backend="b", status="ok", **fields)  # type: ignore[arg-type]


def test_answers_are_sealed_in_the_order_of_the_table(tmp_path: Path) -> None:
    shards = create_shards(tmp_path, 10, 2)
    for shard in shards:
        ledger = ShardWriter(tmp_path, shard, 10)
        for row in reversed(ledger.rows):
            ledger.append([answer(row, tokens_out=row)])
        assert ledger.left == 0
        ledger.record_discovered({"response_format": "none"})
        ledger.seal()
    assert [found.row for found in stream_answers(tmp_path)] == list(range(10))
    assert sum_totals(tmp_path, shards)["tokens_out"] == 45
    assert sum_totals(tmp_path, shards)["answers"] == 10
    assert collect_discovered(tmp_path, shards) == {"response_format": ["none"]}


def test_a_row_that_is_there_twice_is_damage(tmp_path: Path) -> None:
    (shard,) = create_shards(tmp_path, 10, 1)
    ledger = ShardWriter(tmp_path, shard, 10)
    ledger.append([answer(3)])
    ledger.append([answer(3)])
    ledger.close()
    with pytest.raises(ValueError, match="row 3 is there twice"):
        ShardWriter(tmp_path, shard, 10)


def test_what_cannot_be_opened_leaves_no_lock(tmp_path: Path) -> None:
    (shard,) = create_shards(tmp_path, 10, 1)
    (tmp_path / f"{shard.name}.jsonl").write_bytes(b"broken\n")
    for _ in range(2):
        with pytest.raises(ValueError, match="damaged"):
            ShardWriter(tmp_path, shard, 10)


@given(rows=st.sets(st.integers(0, 1499)), start=st.integers(0, 1499), length=st.integers(0, 1500))
def test_prompts_are_those_rows_of_the_table_that_are_not_done(
    tmp_path_factory: pytest.TempPathFactory, rows: set[int], start: int, length: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "prompts.parquet"
    if not path.exists():
        captions = [Caption(id=f"{n}", text=f"t{n}", summary="", backend="") for n in range(1500)]
        write_parquet(path, captions, Caption)
    table = PromptTable(path, "text")
    part = range(start, min(start + length, 1500))
    done = bytearray(int(row in rows) for row in part)
    read = list(table.read(part, done))
    assert [row for row, _ in read] == [row for row in part if row not in rows]
    assert all(prompt.id == f"{row}" and prompt.text == f"t{row}" for row, prompt in read)
