"""Tables as people have them: marks, quotes, line ends, packed, damaged."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from earmark.config import ConfigError
from earmark.corpora.table_reader import TableRow, cell_texts, read_table_rows, table_format

ROWS = [{"path": "a.wav", "label": "dog"}, {"path": "b, c.wav", "label": "caf\u00e9"}]
CSV = 'path,label\na.wav,dog\n"b, c.wav",caf\u00e9\n'
TSV = "path\tlabel\na.wav\tdog\nb, c.wav\tcaf\u00e9\n"
JSONL = '{"path":"a.wav","label":"dog"}\n{"path":"b, c.wav","label":"caf\u00e9"}\n'


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "text"), [("t.csv", CSV), ("t.TSV", TSV), ("t.jsonl", JSONL), ("t.ndjson", JSONL)]
)
def test_every_form_gives_the_same_cells(
    name: str, text: str, packed: bool, mark: str, end: str, tmp_path: Path
) -> None:
    data = (mark + text.replace("\n", end)).encode()
    path = tmp_path / (name + ".gz" if packed else name)
    path.write_bytes(gzip.compress(data) if packed else data)
    lines = list(read_table_rows(path))
    assert [line.cells for line in lines] == ROWS
    first = 1 if "js" in name else 2
    assert [line.number for line in lines] == [first, first + 1]


def csv_lines(folder: Path, text: str, **settings: Any) -> list[TableRow]:
    (folder / "t.csv").write_text(text, "utf-8", newline="")
    return list(read_table_rows(folder / "t.csv", **settings))


def test_a_last_line_without_an_end_counts(tmp_path: Path) -> None:
    assert [line.cells for line in csv_lines(tmp_path, CSV.rstrip("\n"))] == ROWS


def test_blank_lines_are_no_rows_but_count(tmp_path: Path) -> None:
    assert [line.number for line in csv_lines(tmp_path, "path\n\na.wav\n\n\nb.wav\n")] == [3, 6]
    (tmp_path / "t.jsonl").write_text('\n{"path": "a"}\n  \n{"path": "b"}\n')
    assert [line.number for line in read_table_rows(tmp_path / "t.jsonl")] == [2, 4]


def test_a_quoted_cell_may_hold_line_ends_and_odd_separators(tmp_path: Path) -> None:
    text = 'path,note\na.wav,"one\ntwo"\nb.wav,three\u2028four\x0bfive\n'
    lines = csv_lines(tmp_path, text)
    assert [line.cells["note"] for line in lines] == ["one\ntwo", "three\u2028four\x0bfive"]
    assert [line.number for line in lines] == [2, 4]


def test_the_delimiter_can_be_told(tmp_path: Path) -> None:
    (line,) = csv_lines(tmp_path, "path;label\na.wav;dog, cat\n", delimiter=";")
    assert line.cells == {"path": "a.wav", "label": "dog, cat"}


def test_spaces_around_column_names_do_not_count(tmp_path: Path) -> None:
    (line,) = csv_lines(tmp_path, "path, label\na.wav,dog\n")
    assert set(line.cells) == {"path", "label"}


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("a.wav", "1 cells, where the header has 2"),
        ("a.wav,dog,cat", "3 cells, where the header has 2"),
        ("x" * 200_000 + ",dog", "not valid CSV: field larger than field limit"),
    ],
)
def test_a_broken_csv_row_does_not_hide_the_next(row: str, fault: str, tmp_path: Path) -> None:
    broken, good = csv_lines(tmp_path, f"path,label\n{row}\nb.wav,dog\n")
    assert fault in broken.fault
    assert (broken.number, broken.cells) == (2, {})
    assert good == TableRow(3, {"path": "b.wav", "label": "dog"})


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (b'{"path": "a.wav"', "not valid JSON"),
        (b'{"path": NaN}', "not valid JSON"),
        (b'{"path": "\xff"}', "not valid JSON"),
        (b'{"path": "\\udce9"}', "not valid JSON"),
        (b'["a.wav"]', "not a JSON object"),
        (b"3", "not a JSON object"),
    ],
)
def test_a_broken_json_row_does_not_hide_the_next(row: bytes, fault: str, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_bytes(row + b'\n{"path": "b.wav"}\n')
    broken, good = read_table_rows(tmp_path / "t.jsonl")
    assert fault in broken.fault
    assert broken.number == 1
    assert good == TableRow(2, {"path": "b.wav"})


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("t.csv", b"", r"t.csv has no header: its first line should name the columns"),
        ("t.csv", b",,\n", r"has no header"),
        ("t.csv", b"path,label,path\n", r"two columns that are named 'path'"),
        ("t.csv", b"path\ncaf\xe9.wav\n", r"not UTF-8 .*iconv -f latin1 -t utf8 t.csv"),
        ("t.csv.gz", gzip.compress(b"path\na.wav\n", mtime=0)[:-9], r"not a whole gzip file"),
        ("t.jsonl.gz", b'{"path": "a"}\n', r"not a whole gzip file: Not a gzipped file"),
        ("t.jsonl", None, r"cannot be read: Is a directory"),
    ],
)
def test_a_table_that_cannot_be_read(
    name: str, data: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if data is None:
        path.mkdir()
    else:
        path.write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        list(read_table_rows(path))


@pytest.mark.parametrize("name", ["t.json", "t.xlsx", "t", "t.gz", "csv"])
def test_an_unknown_suffix_is_told_with_the_known(name: str) -> None:
    with pytest.raises(ConfigError, match=r"\.csv, \.tsv, \.jsonl, \.ndjson"):
        table_format(Path(name))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (None, ()),
        ("", ()),
        ("  ", ()),
        (" dog ", ("dog",)),
        (3, ("3",)),
        (3.0, ("3",)),
        (0, ("0",)),
        (2.5, ("2.5",)),
        (True, ("true",)),
        (False, ("false",)),
        (2**70, (str(2**70),)),
        ([], ()),
        (["dog", 3, None, "dog", " "], ("dog", "3")),
    ],
)
def test_cells_are_text(cell: object, expected: tuple[str, ...]) -> None:
    assert cell_texts(cell) == expected


@pytest.mark.parametrize("cell", [{"a": 1}, [["a"]], [{"a": 1}]])
def test_cells_that_are_no_text(cell: object) -> None:
    with pytest.raises(ValueError, match=r"an object|a list within a list"):
        cell_texts(cell)
