import json
import os
from collections import Counter
from collections.abc import Sequence
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earmark.annotate.vocabulary.counting import corpus as corpus_module
from earmark.annotate.vocabulary.counting import join, parquet_rows, parts
from earmark.annotate.vocabulary.counting.corpus import TagCorpus
from earmark.config import ConfigError
from earmark.records import Rejected
from factories import MAX_HEAVY_EXAMPLES

Rows = Sequence[tuple[str, Sequence[str]]]

ROWS: Rows = [
    (f"clip-{i:03}", [f"t{i % 5}", f"t{i % 7}", "all", *(["rare"] if i % 50 == 3 else [])])
    for i in range(100)
] + [("none", [])]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a hundred rows be many batches."""
    for module in (parts, join, corpus_module):
        monkeypatch.setattr(module, "BATCH_ROWS", 16)
    monkeypatch.setattr(parquet_rows, "CHUNK_ROWS", 10)


def write_jsonl(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps({"id": i, "tags": t}) + "\n" for i, t in rows))
    return path


def write_parquet(path: Path, rows: Rows) -> Path:
    table = pa.table(
        {"id": [i for i, _ in rows], "tags": pa.array([t for _, t in rows], pa.list_(pa.string()))}
    )
    pq.write_table(table, path, row_group_size=7)
    return path


def grouping(corpus: TagCorpus) -> tuple[np.ndarray, np.ndarray]:
    """t0 and t1 are one tag and a seed of music, "rare" is dropped, "all" is a seed of speech."""
    names = ["t0", "t2", "t3", "t4", "t5", "t6", "all"]
    folded = {"t1": "t0", "rare": ""}
    target = [folded.get(term, term) for term in corpus.terms]
    group = np.array([names.index(t) if t else -1 for t in target], np.int32)
    return group, np.array([1, -1, -1, -1, -1, -1, 0], np.int8)


def found(corpus: TagCorpus) -> dict[str, object]:
    """Everything that a corpus says, as plain data."""
    group, seeds = grouping(corpus)
    tally = corpus.tally(group, seeds)
    return {
        "as written": corpus.as_written,
        "captions": corpus.captions,
        "df": tally.df.tolist(),
        "by domain": tally.by_domain.tolist(),
        "captions by domain": tally.captions_by_domain.tolist(),
        "first ranks": corpus.first_ranks(group, 5).tolist(),
        "cooccurrence": corpus.cooccurrence(group, 7).tolist(),
    }


@pytest.fixture
def plain(tmp_path: Path) -> dict[str, object]:
    """The same, counted by loops."""
    order = ["t0", "t2", "t3", "t4", "t5", "t6", "all"]
    held = [
        {order.index("t0" if tag == "t1" else tag) for tag in tags if tag != "rare"}
        for _, tags in ROWS
    ]
    by_domain = [[0, 0, 0] for _ in order]
    of_captions = [0, 0, 0]
    pairs = np.zeros((7, 7), int)
    for tags in held:
        of = ({1} if 0 in tags else set()) | ({0} if 6 in tags else set()) or {2}
        for domain in of:
            of_captions[domain] += 1
            for tag in tags:
                by_domain[tag][domain] += 1
        for one, other in combinations_with_replacement(sorted(tags), 2):
            pairs[one, other] += 1
            pairs[other, one] += one != other
    first = Counter(min(tags) for tags in held if tags)
    return {
        "as written": dict(sorted(Counter(t for _, tags in ROWS for t in {*tags}).items())),
        "captions": len(ROWS),
        "df": pairs.diagonal().tolist(),
        "by domain": by_domain,
        "captions by domain": of_captions,
        "first ranks": [first[rank] for rank in range(5)],
        "cooccurrence": pairs.tolist(),
    }


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("write", [write_jsonl, write_parquet])
def test_counts_as_plain_loops_do(
    tmp_path: Path, plain: dict[str, object], write: object, workers: int
) -> None:
    source = write(tmp_path / f"a{'.jsonl' if write is write_jsonl else '.parquet'}", ROWS)
    assert found(TagCorpus.encode([source], tmp_path / "cache", workers=workers)) == plain


def test_tags_in_memory(tmp_path: Path, plain: dict[str, object]) -> None:
    assert found(TagCorpus.of((tags for _, tags in ROWS), tmp_path)) == plain
    again = TagCorpus.of([["all", "t1", "all"]], tmp_path)
    assert (again.as_written, again.captions) == ({"all": 1, "t1": 1}, 1)


@settings(
    max_examples=MAX_HEAVY_EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.permutations(ROWS), st.integers(8, 60), st.sampled_from([1, 2]))
def test_order_sharding_and_threads_have_no_influence(
    tmp_path_factory: pytest.TempPathFactory,
    plain: dict[str, object],
    rows: Rows,
    shard: int,
    workers: int,
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    shards = [
        (write_jsonl if i % 2 else write_parquet)(
            folder / f"{i}{'.jsonl' if i % 2 else '.parquet'}", some
        )
        for i, some in enumerate(rows[a : a + shard] for a in range(0, len(rows), shard))
    ]
    assert found(TagCorpus.encode(shards, folder / "cache", workers=workers)) == plain


def rows_of(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_a_part_depends_on_its_rows_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    source = write_parquet(tmp_path / "a.parquet", ROWS)
    whole = TagCorpus.encode([source], tmp_path / "whole").parts[0].part.folder
    monkeypatch.setattr(parquet_rows, "CHUNK_ROWS", chunk)
    cut = TagCorpus.encode([source], tmp_path / "cut", workers=3).parts[0].part.folder
    names = sorted(path.name for path in whole.iterdir())
    written = ["hashes.npy", "part.json", "rejected.parquet", "repeats.npy", "rows.arrow"]
    assert names == [*written, "terms.parquet"]
    for name in names:
        if name == "rows.arrow":  # Arrow's padding tells where an array was cut from another
            assert rows_of(cut / name) == rows_of(whole / name)
        else:
            assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_only_what_is_new_is_encoded_and_counted(tmp_path: Path) -> None:
    old = write_jsonl(tmp_path / "b.jsonl", ROWS[:80])
    cache = tmp_path / "cache"
    first = TagCorpus.encode([old], cache)
    first.tally(*grouping(first))
    part = first.parts[0].part.folder
    [counted] = part.glob("counts-*.npy")
    stamps = {path: path.stat().st_mtime_ns for path in part.iterdir()}
    new = write_jsonl(tmp_path / "a.jsonl", [*ROWS[80:], ("new", ["aardvark", "t1"])])
    both = TagCorpus.encode([old, new], cache)
    group, seeds = grouping_with(both, "aardvark")
    tally = both.tally(group, seeds)
    assert {path: path.stat().st_mtime_ns for path in part.iterdir()} == stamps
    everything = [*ROWS, ("new", ["aardvark", "t1"])]
    fresh = TagCorpus.of((tags for _, tags in everything), tmp_path / "fresh").tally(group, seeds)
    assert np.array_equal(tally.by_domain, fresh.by_domain)
    assert np.array_equal(tally.df, fresh.df)
    assert counted.exists()


def grouping_with(corpus: TagCorpus, new: str) -> tuple[np.ndarray, np.ndarray]:
    """As `grouping`, with one more tag, which shifts the numbers of all others."""
    old = TagCorpus(tuple(t for t in corpus.terms if t != new), corpus.frequencies[1:], ())
    group, seeds = grouping(old)
    shifted = np.where(group >= 0, group + 1, -1)
    where = corpus.terms.index(new)
    return np.insert(shifted, where, 0).astype(np.int32), np.insert(seeds, 0, -1)


def test_a_changed_source_is_encoded_again(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", ROWS)
    cache = tmp_path / "cache"
    TagCorpus.encode([source], cache)
    write_jsonl(source, ROWS[:5])
    os.utime(source, ns=(0, 0))
    assert TagCorpus.encode([source], cache).captions == 5
    assert len(list(cache.glob("part-*"))) == 1


@pytest.mark.parametrize("replaced", [False, True])
def test_an_edit_that_restores_size_and_time_is_seen(tmp_path: Path, replaced: bool) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text('{"id": "x", "tags": ["cat"]}\n')
    before = source.stat()
    assert TagCorpus.encode([source], tmp_path / "cache").terms == ("cat",)
    edited = tmp_path / "edited" if replaced else source
    edited.write_text('{"id": "x", "tags": ["dog"]}\n')
    os.utime(edited, ns=(before.st_atime_ns, before.st_mtime_ns))
    edited.replace(source)
    assert source.stat().st_mtime_ns == before.st_mtime_ns
    assert TagCorpus.encode([source], tmp_path / "cache").terms == ("dog",)


def test_counts_that_were_cut_off_are_removed(tmp_path: Path) -> None:
    corpus = TagCorpus.encode([write_jsonl(tmp_path / "a.jsonl", ROWS)], tmp_path / "cache")
    left = corpus.parts[0].part.folder / "counts-0.tmp"
    left.write_bytes(b"torn")
    corpus.tally(*grouping(corpus))
    assert not left.exists()


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    twice = [("clip-003", ["only here"]), ("own", ["t1", "t2"])]
    one = write_jsonl(tmp_path / "a.jsonl", ROWS)
    two = write_parquet(tmp_path / "b.parquet", twice)
    corpus = TagCorpus.encode([two, one], tmp_path / "cache")
    expected = [(name, list(dict.fromkeys(tags))) for name, tags in [*ROWS, twice[1]]]
    assert list(corpus.rows()) == expected


def test_a_part_that_was_cut_off_is_written_again(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", ROWS)
    cache = tmp_path / "cache"
    left = cache / "part-0-0.tmp"
    left.mkdir(parents=True)
    (left / "rows.arrow").write_bytes(b"torn")
    assert TagCorpus.encode([source], cache).captions == len(ROWS)
    assert not left.exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_of_rows_with_one_id_the_first_counts(tmp_path: Path, workers: int) -> None:
    one = write_jsonl(tmp_path / "a.jsonl", [*ROWS, ("clip-003", ["within"])])
    two = write_parquet(tmp_path / "b.parquet", [("clip-099", ["across"]), ("own", ["t1"])])
    corpus = TagCorpus.encode([two, one], tmp_path / "cache", workers=workers)
    assert corpus.captions == len(ROWS) + 1
    assert not {"within", "across"} & set(corpus.terms)
    assert corpus.as_written["t1"] == Counter(t for _, tags in ROWS for t in {*tags})["t1"] + 1
    twice = [(row.id, row.reason) for row in corpus.rejected()]
    assert twice == [("clip-003", "id is there twice"), ("clip-099", "id is there twice")]
    counts = {"in": len(ROWS) + 3, "out": len(ROWS) + 1, "vocabulary: id is there twice": 2}
    assert corpus.counts == counts
    group = np.array([corpus.terms.index(term) for term in corpus.terms], np.int32)
    tally = corpus.tally(group, np.full(len(group), -1, np.int8))
    assert np.array_equal(tally.df, corpus.frequencies)
    assert tally.captions == corpus.captions


@pytest.mark.parametrize("new", ["a.jsonl", "c.jsonl"])
def test_ids_twice_after_an_update_are_as_in_a_fresh_build(tmp_path: Path, new: str) -> None:
    """The new rows' file comes before the old ones' or after them; ids repeat in and across all."""
    repeated = [(f"clip-{i:03}", [f"again {i}", "t1"]) for i in (3, 50, 50, 99)]
    old = [
        write_jsonl(tmp_path / "b.jsonl", [*ROWS, *repeated]),
        write_jsonl(tmp_path / "d.jsonl", [("own", ["t2"]), ("clip-007", ["all"]), *repeated[:1]]),
    ]
    cache = tmp_path / "cache"
    TagCorpus.encode(old, cache).tally(*grouping(TagCorpus.encode(old, cache)))
    both = [*old, write_jsonl(tmp_path / new, [*repeated, ("own", ["t3"]), ("none", ["t4"])])]
    updated, fresh = (TagCorpus.encode(both, folder) for folder in (cache, tmp_path / "fresh"))
    assert found_of_all(updated) == found_of_all(fresh)
    rows = [row for file in sorted(both) for row in map(json.loads, file.read_text().splitlines())]
    first = {row["id"]: row["tags"] for row in reversed(rows)}
    assert updated.as_written == dict(
        sorted(Counter(t for x in first.values() for t in {*x}).items())
    )
    assert updated.counts["vocabulary: id is there twice"] == len(rows) - len(first)


def found_of_all(corpus: TagCorpus) -> dict[str, object]:
    """What a corpus says where each term is a tag of its own, and what it rejects."""
    group = np.arange(len(corpus.terms), dtype=np.int32)
    tally = corpus.tally(group, np.full(len(group), -1, np.int8))
    return {
        "as written": corpus.as_written,
        "df": tally.df.tolist(),
        "first ranks": corpus.first_ranks(group, len(group)).tolist(),
        "rejected": list(corpus.rejected()),
        "skipped": [joined.skipped.tolist() for joined in corpus.parts],
    }


def test_rejected_rows_say_where_they_are(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text('{"id": "x", "tags": ["a", 1]}\n{"id": "y", "tags": 3}\n{"tags"\n')
    corpus = TagCorpus.encode([source], tmp_path / "cache")
    assert list(corpus.rejected()) == [
        Rejected(id="y", stage="vocabulary", reason="tags are not a list", detail=f"{source}:2: 3"),
        Rejected(id=f"{source}:3", stage="vocabulary", reason="not valid JSON", detail='{"tags"'),
    ]
    assert corpus.dropped == {"not text": 1}


def test_a_corpus_without_a_good_row_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "a.jsonl"
    empty.touch()
    with pytest.raises(ConfigError, match=r"a\.jsonl: no rows"):
        TagCorpus.encode([empty], tmp_path / "cache")
    empty.write_text('{"id": "x", "labels": ["a"]}\n')
    with pytest.raises(ConfigError, match=r"none of 1 rows.*first is at x: no tags"):
        TagCorpus.encode([empty], tmp_path / "cache")
