import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from earmark.annotate.lhotse import to_mono_cut
from earmark.annotate.vocabulary.counting import json_files
from earmark.annotate.vocabulary.counting.arrays import BadRow
from earmark.annotate.vocabulary.counting.json_files import DecodeTask, decoder_processes
from earmark.annotate.vocabulary.counting.json_rows import TagRow
from earmark.annotate.vocabulary.counting.sources import find_sources, read_chunks
from earmark.config import ConfigError
from earmark.workspace import StageError
from factories import new_clip, new_example

ROWS = [
    {"id": "a", "caption": "A dog barks.", "tags": ["dog", "bark"]},
    {"id": "b", "caption": 'Silence: "tags": [1', "tags": []},
    {"id": "c", "caption": "", "tags": ["bark", "dog", "bark", "Ton höher"]},
]
AS_READ = [("a", ["dog", "bark"]), ("b", []), ("c", ["bark", "dog", "Ton höher"])]


def read(path: Path, workers: int = 1) -> tuple[list[tuple[str, list[str]]], list[BadRow], dict]:
    """Rows, faults (rows counted from the file's start) and dropped elements of a source."""
    rows: list[tuple[str, list[str]]] = []
    faults: list[BadRow] = []
    dropped: dict[str, int] = {}
    seen = 0
    for chunk in read_chunks(path, workers=workers):
        position = 0
        for name, length in zip(chunk.ids.to_pylist(), chunk.lengths, strict=True):
            codes = chunk.codes[position : position + length]
            rows.append((name, [chunk.terms[code] for code in codes]))
            position += length
        faults += [BadRow(f.row + seen, f.id, f.reason, f.detail) for f in chunk.faults]
        seen += chunk.rows
        for reason, count in chunk.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    return rows, faults, dropped


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def write_plain(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def write_gzip(path: Path, data: bytes) -> None:
    half = len(data) // 2  # two members, as `cat a.gz b.gz` makes them
    path.write_bytes(gzip.compress(data[:half]) + gzip.compress(data[half:]))


def write_zstd(path: Path, data: bytes) -> None:
    half = len(data) // 2
    with open(path, "wb") as file:
        for piece in (data[:half], data[half:]):
            file.write(pa.compress(piece, codec="zstd", asbytes=True))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.jsonl", write_plain),
        ("a.ndjson", write_plain),
        ("a.jsonl.gz", write_gzip),
        ("a.jsonl.zst", write_zstd),
    ],
)
@pytest.mark.parametrize("workers", [1, 3])
def test_json_lines_in_every_wrapping(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    write: Callable[[Path, bytes], None],
    workers: int,
) -> None:
    write(tmp_path / name, lines(*ROWS))
    assert read(tmp_path / name, workers) == (AS_READ, [], {})
    monkeypatch.setattr(json_files, "BLOCK_BYTES", 10)  # shorter than any line
    assert read(tmp_path / name, workers) == (AS_READ, [], {})


def test_a_large_file_is_read_by_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(*ROWS, {"id": "x", "tags": 1}, {"id": "y", "tags": ["a", 1]}))
    threads = read(path, workers=2)
    monkeypatch.setattr(json_files, "PROCESS_BYTES", 0)
    monkeypatch.setattr(json_files, "BLOCK_BYTES", 10)
    assert read(path, workers=2) == threads


def test_a_killed_process_is_told(tmp_path: Path) -> None:
    with decoder_processes(1) as decode, pytest.raises(StageError, match="ended with code"):
        decode(DecodeTask(str(tmp_path / "none"), TagRow, 0, 1))


def test_line_ends_blank_lines_and_byte_order_mark_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + lines(*ROWS).replace(b"\n", b"\r\n\r\n")[:-4])
    assert read(path) == (AS_READ, [], {})


@pytest.mark.parametrize(
    ("line", "name", "reason"),
    [
        (b'{"id": "x", "tags": ["a', "", "not valid JSON"),
        (b'{"id": "x", "tags": ["\xff"]}', "", "not valid JSON"),
        (b'{"id": "x", "tags": ["a"]} trailing', "", "not valid JSON"),
        (b'{"id": "x", "tags": ["a"]}{"id": "y", "tags": ["a"]}', "", "not valid JSON"),
        (b'{"id": "x", "tags": []}{"id": "y", "tags": []}\n', "", "not valid JSON"),
        (b"[" * 100_000, "", "not valid JSON"),
        (b"null", "", "not an object"),
        (b'["x"]', "", "not an object"),
        (b'{"tags": ["a"]}', "", "no id"),
        (b'{"id": null, "tags": ["a"]}', "", "no id"),
        (b'{"id": "", "tags": ["a"]}', "", "no id"),
        (b'{"id": true, "tags": ["a"]}', "", "no id"),
        (b'{"id": "\\ud800", "tags": ["a"]}', "", "no id"),
        (b'{"id": "x"}', "x", "no tags"),
        (b'{"id": "x", "tags": null}', "x", "tags are not a list"),
        (b'{"id": "x", "tags": "dog, bark"}', "x", "tags are not a list"),
        (b'{"id": "x", "tags": 7}', "x", "tags are not a list"),
        (b'{"id": "x", "tags": {"dog": 1}}', "x", "tags are not a list"),
    ],
)
def test_a_faulty_line_is_told_and_costs_no_other(
    tmp_path: Path, line: bytes, name: str, reason: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(ROWS[0]) + line + b"\n" + lines(*ROWS[1:]))
    rows, faults, dropped = read(path)
    assert rows == AS_READ
    assert [(fault.row, fault.id, fault.reason) for fault in faults] == [(1, name, reason)]
    assert not dropped


@pytest.mark.parametrize(
    ("line", "row", "dropped"),
    [
        (b'{"id": 7, "tags": ["a"]}', ("7", ["a"]), {}),
        (b'{"id": 1.5, "tags": ["a"]}', ("1.5", ["a"]), {}),
        (
            b'{"id": "x", "tags": ["a", 1, null, ["b"], {}, "b"]}',
            ("x", ["a", "b"]),
            {"not text": 4},
        ),
        (b'{"id": "x", "tags": ["\\ud800", "a"]}', ("x", ["a"]), {"not text": 1}),
        (b'{"id": "x", "tags": ["", "\\u0000"]}', ("x", ["", "\0"]), {}),
        (b'{"id": "x", "score": NaN, "tags": ["a"]}', ("x", ["a"]), {}),
        (b'{"id": "x", "tags": ["' + b"a" * 10_000 + b'"]}', ("x", ["a" * 10_000]), {}),
    ],
)
def test_an_odd_line_that_can_be_counted_is(
    tmp_path: Path, line: bytes, row: tuple[str, list[str]], dropped: dict[str, int]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(ROWS[0]) + line + b"\n" + lines(*ROWS[1:]))
    assert read(path) == ([AS_READ[0], row, *AS_READ[1:]], [], dropped)


def cut(name: str, tags: list[str]) -> dict:
    clip = new_clip(id=name, path="a.wav", name="a")  # fmt: skip
    example = new_example(id=name, path="a.wav", name="a", tags=tuple(tags))  # fmt: skip
    return to_mono_cut(example, clip)


def test_a_lhotse_manifest_is_known_by_its_first_good_row(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl.gz"
    good = lines(*(cut(str(row["id"]), list(row["tags"])) for row in ROWS))
    bare = cut("d", []) | {"supervisions": []}
    two = cut("e", ["x"])
    two["supervisions"].append({"id": "e-1"})
    write_gzip(path, b"{broken\n" + good + lines(bare, two))
    rows, faults, _ = read(path)
    assert rows == [*AS_READ, ("e", ["x"])]
    assert [(f.row, f.id, f.reason) for f in faults] == [
        (0, "", "not valid JSON"),
        (4, "d", "no tags"),
    ]


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.large_list(pa.large_string())])
@pytest.mark.parametrize("row_group", [1, 2, 100])
def test_parquet(tmp_path: Path, kind: pa.DataType, row_group: int) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table(
        {
            "backend": ["lexical"] * 6,
            "tags": pa.array([row["tags"] for row in ROWS] + [None, ["a"], ["a", None, "b"]], kind),
            "id": ["a", "b", "c", "d", None, "f"],
        }
    )
    pq.write_table(table, path, row_group_size=row_group)
    rows, faults, dropped = read(path, workers=2)
    assert rows == [*AS_READ, ("f", ["a", "b"])]
    assert [(f.row, f.id, f.reason) for f in faults] == [
        (3, "d", "tags are not a list"),
        (4, "", "no id"),
    ]
    assert dropped == {"not text": 1}


@pytest.mark.parametrize(
    "tags",
    [
        pa.array([["a", "b"], []], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
        pa.array([["a", "b"], ["b", "a"]], pa.list_(pa.string(), 2)),
        pa.array([[], []], pa.list_(pa.null())),
        pa.array([], pa.list_(pa.string())),
    ],
)
def test_lists_of_text_of_any_kind(tmp_path: Path, tags: pa.Array) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"id": pa.array(["x", "y"][: len(tags)], pa.string()), "tags": tags}), path
    )
    assert [found for _, found in read(path)[0]] == tags.to_pylist()


def as_text(kind: pa.DataType, *values: bytes | None) -> pa.Array:
    """Bytes as text, which Arrow believes."""
    text = pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())
    return text.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else text.cast(kind)


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
)
def test_text_that_is_no_utf8_costs_its_rows_alone(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "a.parquet"
    ids = as_text(kind, b"a", b"b\xff", "ç".encode(), b"", b"e\xe9", b"f", b"g")
    tags = as_text(kind, b"dog", b"cat", b"Pi\xc3", b"dog", b"d\xc3\xb6g", b"\xff", b"\xff", b"x")
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2, None, 4, 4, 5, 8], pa.int32()), tags)
    pq.write_table(pa.table({"id": ids, "tags": lists}), path)
    rows, faults, _ = read(path)
    assert rows == [("a", ["dog"]), ("f", ["dög"])]
    assert [(f.row, f.id, f.reason, f.detail) for f in faults] == [
        (1, "", "not UTF-8", r"id b\xff"),
        (2, "ç", "not UTF-8", r"tag Pi\xc3"),
        (3, "", "no id", ""),
        (4, "", "not UTF-8", r"id e\xe9"),
        (6, "g", "not UTF-8", r"tag \xff"),
    ]


def test_parquet_ids_may_be_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [7], "tags": [["a"]]}), path)
    assert read(path)[0] == [("7", ["a"])]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": ["a"], "tag": [["x"]]}, "no column 'tags'.*'tag'"),
        ({"id": ["a"], "tags": ["x"]}, "holds string, expected list<string>"),
        ({"id": ["a"], "tags": [[1]]}, "expected list<string>"),
        ({"id": [[1]], "tags": [["a"]]}, "expected string"),
    ],
)
def test_parquet_with_other_columns_is_refused(tmp_path: Path, columns: dict, message: str) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(ConfigError, match=message):
        read(path)


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl.gz", "a.jsonl.zst"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"nonsense" * 10)
    with pytest.raises(ConfigError, match="fetch or make it again"):
        read(path)


def test_a_cut_off_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(lines(*ROWS * 50))[:-20])
    with pytest.raises(ConfigError, match="fetch or make it again"):
        read(path)


def test_a_folder_stands_for_its_files_of_tags(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.ndjson.zst", "note.txt", "c.json"):
        (tmp_path / name).write_bytes(b"")
    pq.write_table(pa.table({"id": ["a"], "tags": [["x"]]}), tmp_path / "tags.parquet")
    pq.write_table(pa.table({"id": ["a"], "reason": ["x"]}), tmp_path / "rejected.parquet")
    found = find_sources([tmp_path, tmp_path / "b.jsonl"])
    assert [path.name for path in found] == ["a.ndjson.zst", "b.jsonl", "tags.parquet"]


def test_paths_without_tags_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tags.jsonl").write_bytes(b"")
    (tmp_path / "note.txt").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"Did you mean 'tags\.jsonl'"):
        find_sources([tmp_path / "tag.jsonl"])
    with pytest.raises(ConfigError, match=r"no file of tags: expected .*\.parquet"):
        find_sources([tmp_path / "note.txt"])
    with pytest.raises(ConfigError, match="holds no file of tags"):
        find_sources([tmp_path / "empty"])
