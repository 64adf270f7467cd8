"""The authors' label lists and rows: what is read is what was written, or a message that helps."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earmark.annotate.vocabulary.formats import read_label_list, rewrite_rows, write_label_list
from earmark.config import ConfigError

TAGS = ("speech", "music", "high-fidelity", "café", '"quoted"')


def is_one_line(tag: str) -> bool:
    return tag.splitlines() == [tag] and bool(tag.strip()) and not tag.startswith("\ufeff")


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("label2id.json", '{"music": 1, "speech": 0}'),
        ("classes.csv", 'index,mid,display_name\n1,/m/1,music\n0,/m/0,"speech"\n'),
    ],
)
def test_other_ways_to_write_a_label_list(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert read_label_list(tmp_path / name) == ("speech", "music")


def test_a_table_without_names_is_no_label_list(tmp_path: Path) -> None:
    (tmp_path / "classes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match="display_name"):
        read_label_list(tmp_path / "classes.csv")


@pytest.mark.parametrize("name", ["label_5.txt", "id2label_5.json"])
def test_labels_are_read_as_they_were_written(tmp_path: Path, name: str) -> None:
    write_label_list(TAGS, tmp_path, 5)
    assert read_label_list(tmp_path / name) == TAGS


def test_a_label_list_is_cut_to_its_size(tmp_path: Path) -> None:
    write_label_list(TAGS, tmp_path, 2)
    assert (tmp_path / "label_2.txt").read_text() == "speech\nmusic\n"
    assert json.loads((tmp_path / "id2label_2.json").read_text()) == {"0": "speech", "1": "music"}


def test_a_tag_of_two_lines_is_not_written(tmp_path: Path) -> None:
    for broken in ("loud\nmusic", "music\n", "loud\u2028music"):
        with pytest.raises(ConfigError, match="cannot be a line of label_2"):
            write_label_list(("speech", broken), tmp_path, 2)
    assert not list(tmp_path.iterdir())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tags=st.lists(st.text(min_size=1).filter(is_one_line), min_size=1, unique=True))
def test_any_tag_of_one_line_survives(tmp_path: Path, tags: list[str]) -> None:
    write_label_list(tags, tmp_path, len(tags))
    for name in (f"label_{len(tags)}.txt", f"id2label_{len(tags)}.json"):
        assert read_label_list(tmp_path / name) == tuple(tags)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("label.txt", "\ufeffspeech\r\nmusic\r\n \r\n"),
        ("labels.json", '["speech", "music"]'),
        ("labels.json", '{"1": "music", "0": "speech"}'),
    ],
)
def test_other_forms_of_the_same_list(tmp_path: Path, name: str, text: str) -> None:
    assert read_label_list(written(tmp_path / name, text)) == ("speech", "music")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("label.txt", "speech\nmusic\nspeech\n", "'speech' is there twice, at line 1 and line 3"),
        ("label.json", '["speech", "music", "speech"]', "at id 0 and id 2"),
        ("label.txt", "speech\n\nmusic\n", 'line 2: "" is not a tag'),
        ("label.txt", "", "holds no tags"),
        ("label.json", "{}", "holds no tags"),
        ("label.json", '{"0": "speech", "2": "music"}', "none with id 1; its id '2'"),
        ("label.json", '{"0": "speech", "01": "music"}', "none with id 1; its id '01'"),
        ("label.json", '{"speech": 1}', "none with id 0; its id '1'"),
        ("label.json", '{"0": ["speech"]}', 'id 0: ["speech"] is not a tag'),
        ("label.json", '{"0": null}', "id 0: null is not a tag"),
        ("label.json", '"speech"', 'holds "speech". A label list is'),
        ("label.json", '{"0": "speech"', "is not valid JSON"),
        ("label.json", '{"entries": []}', "lock file"),
    ],
)
def test_what_is_no_label_list_is_refused_in_words(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        read_label_list(written(tmp_path / name, text))
    assert said in str(error.value)


def test_space_around_a_tag_is_part_of_it(tmp_path: Path) -> None:
    write_label_list(("dog", " dog", "dog "), tmp_path, 3)
    assert read_label_list(tmp_path / "label_3.txt") == ("dog", " dog", "dog ")


def test_a_list_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no label list at"):
        read_label_list(tmp_path / "label_800.txt")
    (tmp_path / "label_800.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read as a label list"):
        read_label_list(tmp_path / "label_800.txt")


def test_the_first_of_two_can_be_kept(tmp_path: Path) -> None:
    """The released lists hold "instructional" twice."""
    path = written(tmp_path / "label.txt", "speech\ninstructional\nmusic\ninstructional\nrain\n")
    assert read_label_list(path, repeated="first") == ("speech", "instructional", "music", "rain")


def encode(tags: Iterable[str]) -> tuple[Sequence[str], Sequence[int]]:
    """Fold by hand: drums are a drum, and there are three classes."""
    folded = dict.fromkeys({"drums": "drum", "Drum": "drum"}.get(tag, tag) for tag in tags)
    kept = [tag for tag in folded if tag in ("speech", "drum", "café")]
    return kept, [0] * len(kept)


def packed(path: Path, text: str) -> Path:
    """Write text packed as the name says."""
    import pyarrow as pa

    with pa.output_stream(str(path), compression="detect") as stream:
        stream.write(text.encode())
    return path


def unpacked(path: Path) -> list[Any]:
    import pyarrow as pa

    with pa.input_stream(str(path), compression="detect") as stream:
        return [json.loads(line) for line in stream.read().splitlines()]


def cut(name: str, tags: Any) -> dict[str, Any]:
    """Return a cut as the authors' manifests hold it, a second supervision included."""
    recording = {
        "id": name,
        "sources": [{"type": "file", "channels": [0], "source": f"{name}.flac"}],
        "sampling_rate": 16000,
        "num_samples": 160000,
        "duration": 10.0,
        "channel_ids": [0],
    }
    supervision = {"id": name, "recording_id": name, "start": 0.0, "duration": 10.0, "channel": 0}
    custom = {"audio_tag": tags, "caption": "A “drum”.", "original_caption": ["A drum.", "Drums"]}
    return {
        "id": name,
        "start": 0.0,
        "duration": 10.0,
        "channel": 0,
        "supervisions": [supervision | {"custom": custom}, supervision | {"id": f"{name}-b"}],
        "recording": recording,
        "type": "MonoCut",
    }


def in_lines(rows: Iterable[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.mark.parametrize("source", ["rows.jsonl", "rows.jsonl.gz", "rows.jsonl.zst"])
@pytest.mark.parametrize("target", ["new.jsonl", "new.jsonl.gz", "new.jsonl.zst"])
def test_rows_keep_all_but_their_tags(tmp_path: Path, source: str, target: str) -> None:
    rows = [
        {"id": "a", "caption": "Drums,\nthen a “word”.", "tags": ["Drum", "speech", "drums"]},
        {"id": "b", "caption": "Rain.", "tags": ["rain"]},
        {"tags": ["café"], "score": 1.50, "more": {"x": [1, None, 1e300]}, "id": "c"},
    ]
    counts = rewrite_rows(packed(tmp_path / source, in_lines(rows)), encode, tmp_path / target)
    assert counts == {"in": 3, "out": 2, "no tag left": 1}
    new = unpacked(tmp_path / target)
    assert new == [rows[0] | {"tags": ["drum", "speech"]}, rows[2]]
    assert list(new[1]) == ["tags", "score", "more", "id"]


def test_lhotse_reads_cuts_written_anew(tmp_path: Path) -> None:
    from lhotse import CutSet

    cuts = [cut("a", ["Drum", "loud", "drums"]), cut("b", ["loud"]), cut("c", ["speech", "café"])]
    source, target = tmp_path / "cuts.jsonl.gz", tmp_path / "new.jsonl.gz"
    assert rewrite_rows(packed(source, in_lines(cuts)), encode, target)["out"] == 2
    before = {one.id: one for one in CutSet.from_file(source)}
    for new, tags in zip(CutSet.from_file(target), (["drum"], ["speech", "café"]), strict=True):
        assert new.supervisions[0].custom["audio_tag"] == tags
        new.supervisions[0].custom["audio_tag"] = before[new.id].supervisions[0].audio_tag
        assert new == before[new.id]


def test_every_line_is_counted(tmp_path: Path) -> None:
    lines = [
        '{"id": "a", "tags": ["speech"]}',
        '{"id": "b", "tags": ["speech"',
        "",
        '{"id": "c", "tags": "speech"}',
        '{"id": "d", "tags": null}',
        '{"id": "e", "tags": ["speech", null, 3, ["drum"]]}',
        '{"id": "f", "tags": []}',
        '{"id": "g", "tags": ["drum"], "score": NaN}',
        '{"tags": ["drum"]}',
        '{"id": 7, "tags": ["drum"]}',
    ]
    source = packed(tmp_path / "rows.jsonl", "\n".join(lines))
    counts = rewrite_rows(source, encode, tmp_path / "new.jsonl")
    assert [row["id"] for row in unpacked(tmp_path / "new.jsonl")] == ["a", "e", 7]
    assert counts.pop("in") == 9
    assert counts.pop("out") == 3
    assert counts.pop("not valid JSON") == 1
    assert counts.pop("not strict JSON") == 1
    assert counts.pop("no tag left") == 1
    assert sum(counts.values()) == 3


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_a_byte_order_mark_and_line_ends_of_windows(tmp_path: Path, name: str) -> None:
    text = '\ufeff{"id": "a", "tags": ["drum"]}\r\n\r\n{"id": "b", "tags": ["café"]}\r\n'
    counts = rewrite_rows(packed(tmp_path / name, text), encode, tmp_path / "new.jsonl")
    assert counts == {"in": 2, "out": 2}
    assert [row["id"] for row in unpacked(tmp_path / "new.jsonl")] == ["a", "b"]


def test_many_blocks_of_lines_stay_in_step(tmp_path: Path) -> None:
    """Long captions make a file of several blocks."""
    row = {"caption": "x" * 400_000}
    rows = [row | {"id": str(n), "tags": ["drum"] if n % 3 else []} for n in range(100)]
    text = in_lines(rows).replace('"7"', "\n7a")  # a torn line, which is two lines then
    counts = rewrite_rows(packed(tmp_path / "rows.jsonl", text), encode, tmp_path / "new.jsonl")
    kept = [int(row["id"]) for row in unpacked(tmp_path / "new.jsonl")]
    assert kept == [n for n in range(100) if n % 3 and n != 7]
    assert counts == {"in": 101, "out": 65, "no tag left": 34, "not valid JSON": 2}


@given(
    tags=st.lists(st.lists(st.sampled_from(["drum", "drums", "Drum", "rain", "café"])), min_size=1)
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_writing_anew_twice_changes_nothing_more(tmp_path: Path, tags: list[list[str]]) -> None:
    rows = [{"id": str(number), "tags": given} for number, given in enumerate(tags)]
    once, twice = tmp_path / "once.jsonl", tmp_path / "twice.jsonl"
    counts = rewrite_rows(packed(tmp_path / "rows.jsonl", in_lines(rows)), encode, once)
    assert counts["in"] == counts["out"] + counts.get("no tag left", 0) == len(rows)
    if counts["out"]:
        rewrite_rows(once, encode, twice)
        assert twice.read_bytes() == once.read_bytes()


def test_rows_that_are_skipped_are_counted_among_those_that_can_be_read(tmp_path: Path) -> None:
    lines = ["{", *(f'{{"id": "{name}", "tags": ["drum"]}}' for name in "abac"), ""]
    source = packed(tmp_path / "rows.jsonl", "\n\n".join(lines))
    counts = rewrite_rows(source, encode, tmp_path / "new.jsonl", {2})
    assert [row["id"] for row in unpacked(tmp_path / "new.jsonl")] == ["a", "b", "c"]
    assert counts == {"in": 5, "out": 3, "not valid JSON": 1, "id is there twice": 1}


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    source = packed(tmp_path / "rows.jsonl", in_lines([{"id": "a", "tags": ["drum"]}]))
    for name in ("one.jsonl.gz", "two.jsonl.gz"):
        rewrite_rows(source, encode, tmp_path / name)
    assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "two.jsonl.gz").read_bytes()


def test_what_cannot_be_written_anew(tmp_path: Path) -> None:
    rows = packed(tmp_path / "rows.jsonl", in_lines([{"id": "a", "tags": ["drum"]}]))
    with pytest.raises(ConfigError, match="give the new one another name"):
        rewrite_rows(rows, encode, rows)
    with pytest.raises(ConfigError, match="no file of JSON lines"):
        rewrite_rows(tmp_path / "tags.parquet", encode, tmp_path / "new.jsonl")
    with pytest.raises(ConfigError, match="no rows at"):
        rewrite_rows(tmp_path / "missing.jsonl", encode, tmp_path / "new.jsonl")
    torn = tmp_path / "torn.jsonl.gz"
    torn.write_bytes(gzip.compress(rows.read_bytes() * 1000)[:-20])
    with pytest.raises(ConfigError, match="cannot be unpacked"):
        rewrite_rows(torn, encode, tmp_path / "new.jsonl")
    assert not list(tmp_path.glob("new*"))
