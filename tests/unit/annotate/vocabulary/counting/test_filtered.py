import hashlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earmark.annotate.vocabulary.counting import join, parts
from earmark.annotate.vocabulary.counting.corpus import TagCorpus
from earmark.annotate.vocabulary.counting.filter import FilterCounts, write_filtered_tags
from factories import MAX_HEAVY_EXAMPLES

TERMS = [f"t{number}" for number in range(6)]
captions = st.lists(st.lists(st.sampled_from(TERMS), max_size=6), min_size=1, max_size=40)
ranks = st.lists(st.integers(-1, 3), min_size=6, max_size=6)
TAGS = ["best", "good", "fair", "poor"]
ROWS = [["t0", "t3"], ["t2"], [], ["t3", "t1", "t0", "t1"], ["t5"]]
RANK = {"t0": 0, "t1": 0, "t2": 1, "t3": 2, "t5": -1}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few rows be many batches."""
    for module in (parts, join):
        monkeypatch.setattr(module, "BATCH_ROWS", 8)


def rank_of(corpus: TagCorpus, by_term: dict[str, int]) -> np.ndarray:
    return np.array([by_term[term] for term in corpus.terms], np.int32)


def read(folder: Path) -> list[tuple[str, list[str]]]:
    [path] = folder.iterdir()
    table = pq.read_table(path)
    return list(zip(*(table.column(name).to_pylist() for name in ("id", "tags")), strict=True))


def digests(folder: Path) -> dict[str, str]:
    files = sorted(folder.rglob("*.parquet"))
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_each_size_keeps_its_tags_in_the_captions_order(tmp_path: Path) -> None:
    corpus = TagCorpus.of(ROWS, tmp_path)
    kept = write_filtered_tags(corpus, rank_of(corpus, RANK), TAGS, [1, 3], tmp_path)
    assert read(tmp_path / "tags_1") == [("0", ["best"]), ("3", ["best"])]
    assert read(tmp_path / "tags_3") == [
        ("0", ["best", "fair"]),
        ("1", ["good"]),
        ("3", ["fair", "best"]),
    ]
    assert kept == {
        1: FilterCounts(kept=2, dropped=3, uses=2),
        3: FilterCounts(kept=3, dropped=2, uses=5),
    }
    schema = pq.read_schema(next((tmp_path / "tags_3").iterdir()))
    assert [str(schema.field(name).type) for name in ("id", "tags")] == [
        "string",
        "list<element: string>",
    ]


@settings(
    max_examples=MAX_HEAVY_EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(captions, ranks, st.sampled_from([1, 2]))
def test_filters_as_a_plain_loop_does(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], rank: list[int], workers: int
) -> None:
    folder = tmp_path_factory.mktemp("filtered")
    corpus = TagCorpus.of(rows, folder, workers=workers)
    by_term = dict(zip(TERMS, rank, strict=True))
    counts = write_filtered_tags(corpus, rank_of(corpus, by_term), TAGS, [1, 2, 4], folder)
    for size in (1, 2, 4):
        tags = [[TAGS[by_term[term]] for term in row if 0 <= by_term[term] < size] for row in rows]
        expected = [(str(i), list(dict.fromkeys(row))) for i, row in enumerate(tags) if row]
        assert read(folder / f"tags_{size}") == expected
        assert counts[size] == FilterCounts(
            kept=len(expected),
            dropped=len(rows) - len(expected),
            uses=sum(len(row) for _, row in expected),
        )


def test_threads_change_no_byte(tmp_path: Path) -> None:
    for workers in (1, 4):
        folder = tmp_path / str(workers)
        corpus = TagCorpus.of(ROWS * 20, folder, workers=workers)
        write_filtered_tags(corpus, rank_of(corpus, RANK), TAGS, [1, 2, 4], folder / "out")
    assert digests(tmp_path / "1" / "out") == digests(tmp_path / "4" / "out")


def test_only_a_file_that_would_differ_is_written_again(tmp_path: Path) -> None:
    corpus = TagCorpus.of(ROWS, tmp_path)
    rank = rank_of(corpus, RANK)

    def written(rank: np.ndarray, tags: list[str]) -> tuple[set[str], dict[int, FilterCounts]]:
        before = {p: p.stat().st_ino for p in tmp_path.glob("tags_*/*")}
        kept = write_filtered_tags(corpus, rank, tags, [1, 2, 3], tmp_path)
        after = {p: p.stat().st_ino for p in tmp_path.glob("tags_*/*")}
        return {p.parent.name for p, inode in after.items() if before.get(p) != inode}, kept

    everything, kept = written(rank, TAGS)
    assert everything == {"tags_1", "tags_2", "tags_3"}
    assert written(rank, TAGS) == (set(), kept)
    # "good" and "fair" change places: the first three are the same, in another order.
    swapped = np.array([0, 2, 1, 3, -1])[rank].astype(np.int32)
    assert written(swapped, ["best", "fair", "good", "poor"])[0] == {"tags_2"}
    # A tag that no caption holds takes the place of another such tag.
    unheard = np.where(rank == 2, -1, rank).astype(np.int32)
    _, kept = written(unheard, TAGS)
    assert written(unheard, ["best", "good", "unheard", "poor"]) == (set(), kept)
    # A term is folded otherwise.
    unfolded = np.where(np.array(corpus.terms) == "t1", -1, rank).astype(np.int32)
    assert written(unfolded, TAGS)[0] == {"tags_1", "tags_2", "tags_3"}


def test_files_of_sources_that_are_gone_are_removed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tags.jsonl").write_text(f'{{"id": "{name}", "tags": ["t0"]}}\n')
    sources = [tmp_path / "a" / "tags.jsonl", tmp_path / "b" / "tags.jsonl"]
    for present, files in ((sources, 2), (sources[:1], 1)):
        corpus = TagCorpus.encode(present, tmp_path / "cache")
        kept = write_filtered_tags(corpus, np.array([0], np.int32), TAGS, [1], tmp_path)
        assert kept[1].kept == len(list((tmp_path / "tags_1").iterdir())) == files


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "tags_1" / "gone.parquet.tmp"
    left.parent.mkdir()
    left.write_bytes(b"PAR1")
    corpus = TagCorpus.of(ROWS, tmp_path)
    write_filtered_tags(corpus, rank_of(corpus, RANK), TAGS, [1], tmp_path)
    assert not left.exists()
