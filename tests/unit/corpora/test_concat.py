"""Several corpora as one."""

import json
from pathlib import Path

import pytest

from earmark.config import ConfigError, decode_config
from earmark.corpora.concat import ConcatConfig
from earmark.corpora.table import TableConfig
from earmark.recipe import Recipe
from earmark.records import Rejected, Source


def a_table(root: Path, name: str) -> TableConfig:
    rows = [{"path": "a.wav", "speaker": "1", "session": "s", "kind": "dog"}, {"path": ""}]
    path = root / f"{name}.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return TableConfig(
        path=str(path), speaker_column="speaker", recording_column="session", labels=("kind",)
    )


def test_what_has_one_name_in_two_parts_is_two_things(tmp_path: Path) -> None:
    parts = {"here": a_table(tmp_path, "x"), "there": a_table(tmp_path, "y")}
    rows = list(ConcatConfig(parts=parts).build().rows(tmp_path))
    first, _, second, lost = rows
    assert isinstance(first, Source)
    assert isinstance(second, Source)
    assert isinstance(lost, Rejected)
    assert (first.name, second.name) == ("here/a.wav", "there/a.wav")
    assert (first.speaker, second.speaker) == ("here/1", "there/1")
    assert (first.recording, second.recording) == ("here/s", "there/s")
    assert first.labels == {"kind": ("dog",), "collection": ("here",)}
    assert lost.id == "there/y.jsonl:2"


def test_a_change_in_any_part_changes_the_fingerprint(tmp_path: Path) -> None:
    parts = {"here": a_table(tmp_path, "x"), "there": a_table(tmp_path, "y")}
    before = ConcatConfig(parts=parts).build().fingerprint()
    (tmp_path / "y.jsonl").write_text(
        '{"path": "b.wav", "speaker": "1", "session": "s", "kind": "d"}'
    )
    assert ConcatConfig(parts=parts).build().fingerprint() != before


@pytest.mark.parametrize("name", ["a/b", "", ".hidden"])
def test_a_part_s_name_is_that_of_a_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name of a folder"):
        ConcatConfig(parts={name: a_table(tmp_path, "x")})


def test_nothing_is_no_corpus() -> None:
    with pytest.raises(ConfigError, match="empty"):
        ConcatConfig(parts={})


def test_a_mistake_in_a_part_is_told_by_its_place() -> None:
    part = {"kind": "folder", "pathh": "x"}
    with pytest.raises(ConfigError, match=r"pathh.*corpus.parts.mine.*Did you mean 'path'"):
        decode_config({"corpus": {"kind": "concat", "parts": {"mine": part}}}, Recipe)
