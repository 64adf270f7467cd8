"""A table of clips: what is asked for is offered, what cannot be is told with its line."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from earmark.config import Config, ConfigError, decode_config
from earmark.corpora.base import list_corpus
from earmark.corpora.table import TableConfig
from earmark.records import Rejected, Source
from earmark.tables import read_parquet

Cells = Mapping[str, object]


def table(folder: Path, rows: Sequence[Cells | str]) -> str:
    """Write a JSONL table; a string is written as it stands."""
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    (folder / "clips.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return str(folder / "clips.jsonl")


def offered(path: str, **settings: Any) -> tuple[list[Source], dict[str, str]]:
    """Return the sources, and "reason: detail" by the rejected line."""
    rows = list(TableConfig(path=path, **settings).build().rows(Path()))
    rejected = [row for row in rows if isinstance(row, Rejected)]
    assert {row.stage for row in rejected} <= {"corpus"}
    reasons = {row.id: f"{row.reason}: {row.detail}" for row in rejected}
    return [row for row in rows if isinstance(row, Source)], reasons


def test_a_row_becomes_a_source(tmp_path: Path) -> None:
    row = {
        "path": "audio/a.wav", "id": "clip-1", "domain": "music", "instrument": ["flute", "piano"],
        "emotion": None, "group": 17, "who": "ada", "fold": 2.0, "licence": "CC0", "by": "Ada",
        "said": ["A flute.", "Flute and piano."], "unused": {"any": "thing"},
    }  # fmt: skip
    (source,), rejected = offered(
        table(tmp_path, [row, {"path": "b.wav", "emotion": "happy", "fold": 5, "group": ""}]),
        name_column="id",
        labels=("domain", "instrument", "emotion"),
        recording_column="group",
        speaker_column="who",
        split_column="fold",
        splits={"2": "validation"},
        licence_column="licence",
        attribution_column="by",
        captions_column="said",
    )
    assert source == Source(
        path=str(tmp_path / "audio" / "a.wav"),
        name="clip-1",
        labels={"domain": ("music",), "instrument": ("flute", "piano")},
        recording="17",
        speaker="ada",
        split="validation",
        licence="CC0",
        attribution="Ada",
        original_captions=("A flute.", "Flute and piano."),
    )
    assert rejected == {"clips.jsonl:2": "no name: the cell 'id' is blank"}


def test_original_captions_are_one_text_or_several(tmp_path: Path) -> None:
    cells = [" A dog. ", ["A dog.", "Rain.", "", "A dog."], None, ""]
    rows = [{"path": f"{place}.wav", "said": cell} for place, cell in enumerate(cells)]
    sources, rejected = offered(
        table(tmp_path, [*rows, {"path": "x.wav", "said": {"a": 1}}]), captions_column="said"
    )
    assert [row.original_captions for row in sources] == [("A dog.",), ("A dog.", "Rain."), (), ()]
    assert list(rejected) == ["clips.jsonl:5"]
    with pytest.raises(ConfigError, match=r"corpus.captions_column: .*Did you mean 'said'"):
        TableConfig(path=str(tmp_path / "clips.jsonl"), captions_column="sayd").build()


def test_csv_and_jsonl_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("path,fold,label\r\na.wav,1,dog;rain\r\nb.wav,2,\r\n")
    jsonl = table(
        tmp_path,
        [{"path": "a.wav", "fold": 1, "label": "dog;rain"}, {"path": "b.wav", "fold": 2.0}],
    )
    settings: dict[str, Any] = {
        "labels": ("label",),
        "label_separator": ";",
        "split_column": "fold",
        "splits": {"1": "train", "2": "test"},
    }
    sources, _ = offered(str(tmp_path / "clips.csv"), **settings)
    assert offered(jsonl, **settings) == (sources, {})
    assert [source.labels for source in sources] == [{"label": ("dog", "rain")}, {}]
    assert [source.split for source in sources] == ["train", "test"]


def test_names_are_paths_below_the_audio_root_in_one_form(tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir()
    rows = [
        {"path": "a.wav"},
        {"path": "./x/../b.wav"},
        {"path": str(tmp_path / "sounds" / "c.wav")},
    ]
    sources, rejected = offered(table(tmp_path, rows), audio_root=str(tmp_path / "sounds"))
    assert [source.name for source in sources] == ["a.wav", "b.wav", "c.wav"]
    assert {os.path.dirname(source.path) for source in sources} == {str(tmp_path / "sounds")}
    assert rejected == {}


def test_rows_that_cannot_be_offered_are_told_with_their_line(tmp_path: Path) -> None:
    rows: list[Cells | str] = [
        {"path": "a.wav", "label": "dog"},
        {"label": "dog"},
        {"path": " ", "label": "dog"},
        {"path": "../b.wav"},
        {"path": "/etc/passwd"},
        '{"path": "c.wav"',
        {"path": "a.wav", "label": "cat"},
        {"path": "x/../a.wav"},
        {"path": {"a": 1}},
        {"path": ["c.wav", "d.wav"]},
        {"path": "c\0.wav"},
        {"path": "d.wav", "label": {"a": 1}},
        {"path": 7},
    ]
    sources, rejected = offered(table(tmp_path, rows), labels=("label",))
    assert [source.name for source in sources] == ["a.wav", "7"]
    reasons = {line: text.partition(":")[0] for line, text in rejected.items()}
    assert reasons == {
        "clips.jsonl:2": "no path",
        "clips.jsonl:3": "no path",
        "clips.jsonl:4": "outside audio_root",
        "clips.jsonl:5": "outside audio_root",
        "clips.jsonl:6": "broken row",
        "clips.jsonl:7": "duplicate row",
        "clips.jsonl:8": "duplicate row",
        "clips.jsonl:9": "broken row",
        "clips.jsonl:10": "broken row",
        "clips.jsonl:11": "broken row",
        "clips.jsonl:12": "broken row",
    }
    assert "line 1 has the same path" in rejected["clips.jsonl:7"]
    assert "set audio_root" in rejected["clips.jsonl:5"]


def test_two_clips_cannot_have_one_name(tmp_path: Path) -> None:
    rows = [
        {"path": "a.wav", "id": "x"},
        {"path": "b.wav", "id": "x"},
        {"path": "b.wav", "id": "y"},
    ]
    sources, rejected = offered(table(tmp_path, rows), name_column="id")
    assert [source.path[-5:] for source in sources] == ["a.wav", "b.wav"]
    assert rejected == {"clips.jsonl:2": "duplicate row: line 1 has the same name: x"}


def test_any_path_is_allowed_under_the_root_of_all(tmp_path: Path) -> None:
    sources, rejected = offered(table(tmp_path, [{"path": "/data/a.wav"}]), audio_root="/")
    assert [(source.path, source.name) for source in sources] == [("/data/a.wav", "data/a.wav")]
    assert rejected == {}


def test_splits_are_read_as_they_stand_where_they_have_the_right_names(tmp_path: Path) -> None:
    values = ["train", "validation", "test", None, "valid"]
    rows = [{"path": f"{index}.wav", "set": value} for index, value in enumerate(values)]
    sources, rejected = offered(table(tmp_path, rows), split_column="set")
    assert [source.split for source in sources] == ["train", "validation", "test", None]
    assert rejected == {"clips.jsonl:5": "unknown split: set = 'valid'. Did you mean 'validation'?"}


def test_a_value_that_splits_does_not_name_is_rejected(tmp_path: Path) -> None:
    rows = [{"path": "a.wav", "fold": 1}, {"path": "b.wav", "fold": 6}]
    _, rejected = offered(table(tmp_path, rows), split_column="fold", splits={"1": "train"})
    assert rejected == {"clips.jsonl:2": "unknown split: fold = '6'. Valid here: 1."}


def test_rows_that_are_not_asked_for_are_not_rejected(tmp_path: Path) -> None:
    rows: list[Cells | str] = [
        {"path": "a.wav", "set": "ESC-50", "fold": 1},
        {"path": "b.wav", "set": "FSDD", "fold": 1},
        {"path": "c.wav", "set": ["FSDD", "ESC-50"], "fold": 2.0},
        {"set": "FSDD"},
        {"path": "d.wav", "set": {"a": 1}, "fold": 1},
        {"path": "e.wav", "set": "ESC-50", "fold": 3},
        "broken",
    ]
    where = {"set": ("ESC-50",), "fold": ("1", "2")}
    sources, rejected = offered(table(tmp_path, rows), where=where)
    assert [source.name for source in sources] == ["a.wav", "c.wav"]
    assert [text.partition(":")[0] for text in rejected.values()] == ["broken row"]


@pytest.mark.parametrize("limit", [1, 7, 60, 599, 600, 10_000])
def test_a_limit_takes_rows_from_all_over_the_table(limit: int, tmp_path: Path) -> None:
    # Folds in turn, as tables often have them: every tenth row would be of one fold.
    rows = [{"path": f"{index}.wav", "fold": index % 5 + 1} for index in range(600)]
    path = table(tmp_path, rows)
    sources, _ = offered(
        path, limit=limit, split_column="fold", splits=dict.fromkeys("12345", "train")
    )
    positions = [int(source.name.removesuffix(".wav")) for source in sources]
    assert len(positions) == min(limit, 600)
    assert positions == sorted(set(positions))
    for index, position in enumerate(positions):
        assert index * 600 // len(positions) <= position < (index + 1) * 600 // len(positions)
    if limit == 60:
        assert len({position % 5 for position in positions}) == 5
    assert offered(path, limit=limit)[0] == [
        Source(path=source.path, name=source.name) for source in sources
    ]


def test_a_limit_counts_what_is_asked_for(tmp_path: Path) -> None:
    rows = [{"path": f"{index}.wav", "set": "ab"[index % 2]} for index in range(100)]
    sources, _ = offered(table(tmp_path, rows), where={"set": ("b",)}, limit=10)
    assert len(sources) == 10
    assert {int(source.name.removesuffix(".wav")) % 2 for source in sources} == {1}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"path_column": "file"},
            "corpus.path_column: .* has no column 'file'. Valid here: domain,",
        ),
        ({"labels": ("domian",)}, "corpus.labels: .* no column 'domian'. Did you mean 'domain'?"),
        ({"where": {"domian": ("a",)}}, "corpus.where: .* Did you mean 'domain'?"),
        ({"name_column": "nme"}, "corpus.name_column: .* no column 'nme'. Did you mean 'name'?"),
        ({"recording_column": "x"}, "corpus.recording_column: .* no column 'x'"),
        ({"speaker_column": "x"}, "corpus.speaker_column: .* no column 'x'"),
        ({"split_column": "folds"}, "corpus.split_column: .* Did you mean 'fold'?"),
        ({"licence_column": "x"}, "corpus.licence_column: .* no column 'x'"),
        ({"attribution_column": "x"}, "corpus.attribution_column: .* no column 'x'"),
        ({"splits": {"1": "train"}}, "splits needs split_column"),
        (
            {"where": {"domain": ("musik",)}},
            r"no row .* has domain = \['musik'\]. Did you mean 'mus",
        ),
        ({"where": {"domain": ("music",), "fold": ("2",)}}, "no row of .* fits all of"),
        ({"audio_root": "/nowhere/at/all"}, "corpus.audio_root: .* there is no 'nowhere' in /"),
    ],
)
def test_settings_that_fit_no_row_are_told(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    rows = [
        {"path": "a.wav", "name": "a", "domain": "music", "fold": 1},
        {"path": "b.wav", "name": "b", "domain": "speech", "fold": 2},
    ]
    with pytest.raises(ConfigError, match=message):
        TableConfig(path=table(tmp_path, rows), **settings).build()


@pytest.mark.parametrize("rows", [[], ["{", "["]])
def test_a_table_without_a_readable_row_is_told(rows: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"clips.jsonl: no row can be read"):
        TableConfig(path=table(tmp_path, rows)).build()


def test_a_missing_table_is_told_with_its_neighbour(tmp_path: Path) -> None:
    path = table(tmp_path, [{"path": "a.wav"}]).replace("clips", "clip")
    with pytest.raises(ConfigError, match=r"there is no 'clip.jsonl' in .* mean 'clips.jsonl'\?"):
        TableConfig(path=path).build()


def test_a_column_of_some_rows_only_is_a_column(tmp_path: Path) -> None:
    rows = [{"path": "a.wav"}, {"path": "b.wav", "speaker": "ada"}]
    sources, _ = offered(table(tmp_path, rows), speaker_column="speaker")
    assert [source.speaker for source in sources] == [None, "ada"]


def test_the_fingerprint_sees_what_is_offered_and_nothing_else(tmp_path: Path) -> None:
    rows = [{"path": "a.wav", "label": "dog", "note": "x"}, {"path": "b.wav", "label": "cat"}]

    def digest(**settings: Any) -> str:
        return TableConfig(path=str(tmp_path / "clips.jsonl"), **settings).build().fingerprint()

    table(tmp_path, rows)
    plain, labelled = digest(), digest(labels=("label",))
    assert plain != labelled
    assert digest(limit=1) != plain
    table(tmp_path, [{**rows[0], "note": "y"}, rows[1]])
    assert digest(labels=("label",)) == labelled, "a column that nobody reads does not count"
    table(tmp_path, [{**rows[0], "label": "wolf"}, rows[1]])
    assert digest(labels=("label",)) != labelled
    assert digest() == plain
    (tmp_path / "b.wav").write_bytes(b"a file that was not there")
    assert digest() != plain


def test_all_rows_can_be_stored(tmp_path: Path) -> None:
    rows: list[Cells | str] = [{"path": "\u6771\u4eac \U0001f3b5.wav"}, "{", '{"path": "\\udce9"}']
    counts = list_corpus(TableConfig(path=table(tmp_path, rows)).build(), tmp_path)
    assert counts == {"in": 3, "out": 1, "corpus: broken row": 2}
    (source,) = read_parquet(tmp_path / "sources.parquet", Source)
    assert source.name == "\u6771\u4eac \U0001f3b5.wav"
    assert len(read_parquet(tmp_path / "rejected.parquet", Rejected)) == 2


class Recipe(Config, frozen=True, kw_only=True):
    corpus: TableConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"splits": {"1": "trian"}}, 'corpus.splits.1 = "trian" is not a choice. Did you mean'),
        ({"where": {"fold": [1, 2]}}, "corpus.where.fold[0] = 1: text in quotes was expected"),
        ({"labels": "domain"}, 'corpus.labels = "domain": a list in [ ] was expected'),
        ({"limit": 0}, "corpus.limit = 0: expected a value >= 1"),
        ({"path_colum": "x"}, "unknown key 'path_colum' in [corpus]. Did you mean 'path_column'?"),
    ],
)
def test_settings_of_a_wrong_form_are_told(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        decode_config({"corpus": {"kind": "table", "path": "x.csv", **settings}}, Recipe)


@pytest.mark.skipif(
    "EARMARK_PACK" not in os.environ,
    reason="EARMARK_PACK is not set: the real recordings are not part of the repository",
)
def test_the_pack_is_offered_whole() -> None:
    manifest = os.path.join(os.environ["EARMARK_PACK"], "manifest.jsonl")
    with open(manifest, "rb") as file:
        total = sum(1 for _ in file)
    sources, rejected = offered(
        manifest,
        name_column="id",
        labels=("domain", "category", "instrument", "gender"),
        recording_column="group",
        speaker_column="speaker",
        split_column="fold",
        splits={"1": "train", "2": "train", "3": "train", "4": "validation", "5": "test"},
    )
    assert (len(sources), rejected) == (total, {})
    assert all(os.path.isfile(source.path) for source in sources)
    assert {source.labels["domain"] for source in sources} == {
        ("environment",), ("music",), ("speech",),
    }  # fmt: skip
