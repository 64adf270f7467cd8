from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.audit.config import AuditConfig
from earmark.annotate.audit.labels import (
    audit_corpus,
    choose_fields,
    join_tags,
    label_values,
    read_columns,
    read_labeled_clips,
)
from earmark.records import Clip, TagSet
from earmark.tables import ROW_GROUP_SIZE, write_parquet
from factories import new_clip


def write(folder: Path, clips: list[str], tags: list[str]) -> tuple[Path, Path]:
    rows = [
        new_clip(
            id=name,
            path=name,
            name=name,
            labels={"sound": (name[0], "rain"), "take": (name,)} if name[0] != "x" else {},
            peak_dbfs=-3.0,
        )
        for name in clips
    ]
    tag_sets = [TagSet(id=name, tags=(f"of-{name}", name[0]), backend="f") for name in tags]
    write_parquet(folder / "clips.parquet", rows, Clip)
    write_parquet(folder / "tags.parquet", tag_sets, TagSet)
    return folder / "clips.parquet", folder / "tags.parquet"


@given(st.lists(st.booleans(), max_size=9), st.randoms(use_true_random=False), st.booleans())
def test_tags_find_their_clips_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, tagged: list[bool], random, shuffled: bool
) -> None:
    clips = [f"{'xab'[n % 3]}{n}" for n in range(len(tagged))]
    tags = [name for name, kept in zip(clips, tagged, strict=True) if kept]
    if shuffled:
        random.shuffle(tags)
    files = write(tmp_path_factory.mktemp("tables"), clips, tags)
    expected = [((name,), (f"of-{name}", name[0]) if name in tags else None) for name in clips]
    assert list(join_tags(*files, "id")) == expected


def test_more_clips_than_are_read_at_a_time(tmp_path: Path) -> None:
    clips = [f"{'xa'[n % 2]}{n}" for n in range(2 * ROW_GROUP_SIZE + 3)]
    files = write(tmp_path, clips, clips[1:])
    assert sum(own is not None for _, own in join_tags(*files, "id")) == len(clips) - 1
    rows = read_labeled_clips(*files, ("sound",))["sound"]
    assert len(rows) == ROW_GROUP_SIZE + 1
    assert set(label_values(files[0])) >= {("sound", "a"), ("sound", "rain"), ("take", "a1")}


def test_only_clips_with_a_label_of_the_field_are_kept(tmp_path: Path) -> None:
    files = write(tmp_path, ["x1", "a2", "b3", "x4"], ["x1", "a2", "x4"])
    rows = read_labeled_clips(*files, ("sound", "take"))
    assert [len(own) for own in rows.values()] == [1, 1]
    assert list(rows["sound"].labels.names) == ["a", "rain"]
    assert read_labeled_clips(*files, ()) == {}
    assert choose_fields(label_values(files[0]), ["a"], None) == (("sound",), ("take",))


@pytest.mark.slow
def test_clips_without_labels_cost_no_memory(tmp_path: Path) -> None:
    few, many = (_peak(tmp_path, number * ROW_GROUP_SIZE) for number in (2, 10))
    assert many < 1.2 * few


def _peak(folder: Path, clips: int) -> int:
    """Return the most bytes that Python held at a time in an audit of so many clips."""
    names = [f"x{number:06d}" for number in range(clips)]
    files = _plain(folder, names)
    tracemalloc.start()
    part = audit_corpus(*files, "scripted", AuditConfig(resamples=1), None, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert part.given == clips
    return peak


def _plain(folder: Path, names: list[str]) -> tuple[Path, Path]:
    clips, _ = write(folder, names, [])
    tag_sets = (TagSet(id=name, tags=("dog", "rain", name[-1]), backend="f") for name in names)
    write_parquet(folder / "tags.parquet", tag_sets, TagSet)
    return clips, folder / "tags.parquet"


def test_a_table_without_the_column(tmp_path: Path) -> None:
    clips, _ = write(tmp_path, ["a"], [])
    with pytest.raises(ValueError, match="no column 'tags'"):
        list(read_columns(clips, "tags"))
