"""A vocabulary from files: what is written, that counts add up, and one that is taken as it is."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from earmark.annotate.vocabulary import Vocabulary, VocabularyConfig
from earmark.annotate.vocabulary.build import write_vocabulary
from earmark.annotate.vocabulary.stats import VocabularyStats
from earmark.config import ConfigError
from earmark.records import TagSet
from earmark.tables import read_parquet, write_parquet

TAGS = ("dog", "dogs", "Dog", "barking", "rain", "speech", "man", "guitar", "music", "colour")


def rows_of(seed: int, rows: int = 200) -> list[TagSet]:
    rng = random.Random(seed)
    return [
        TagSet(id=f"{seed}-{row}", tags=tuple(rng.sample(TAGS, rng.randint(0, 4))), backend="test")
        for row in range(rows)
    ]


def source(folder: Path, seed: int, rows: int = 200) -> Path:
    path = folder / f"tags-{seed}.parquet"
    write_parquet(path, rows_of(seed, rows), TagSet)
    return path


def made(tmp_path: Path, name: str, sources: list[Path], **settings: object) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    config = VocabularyConfig(**settings)  # type: ignore[arg-type]
    write_vocabulary(sources, config, folder, filtered=True)
    return folder


def test_counts_add_up(tmp_path: Path) -> None:
    config = VocabularyConfig(size=3, min_df=35)
    counts = write_vocabulary([source(tmp_path, 1)], config, tmp_path)
    reasons = {name: n for name, n in counts.items() if name.startswith("vocabulary: ")}
    assert counts["in"] == len(TAGS)
    assert counts["out"] == 3
    assert counts["in"] == counts["out"] + sum(reasons.values())
    assert reasons["vocabulary: a variant of another"] == 2


def test_every_size_has_its_files(tmp_path: Path) -> None:
    folder = made(tmp_path, "out", [source(tmp_path, 1)], size=2, sizes=(3, 5))
    locks = {size: Vocabulary.load(folder / f"vocabulary_{size}.json") for size in (3, 5)}
    trained_on = Vocabulary.load(folder / "vocabulary.json")
    assert [len(trained_on), *map(len, locks.values())] == [2, 3, 5]
    assert locks[5].tags[:3] == locks[3].tags
    for size in (2, 3, 5):
        assert tuple((folder / f"label_{size}.txt").read_text().split()) == locks[5].tags[:size]
        ids = json.loads((folder / f"id2label_{size}.json").read_text())
        assert list(ids.values()) == list(locks[5].tags[:size])


def test_filtered_tags_are_what_the_lock_file_makes_of_them(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    folder = made(tmp_path, "out", [source(tmp_path, 1)], size=4)
    vocabulary = Vocabulary.load(folder / "vocabulary.json")
    (table,) = (folder / "tags_4").glob("*.parquet")
    written = {row["id"]: tuple(row["tags"]) for row in pq.read_table(table).to_pylist()}
    encoded = {row.id: vocabulary.encode(row.tags)[0] for row in rows_of(1)}
    assert written == {key: tags for key, tags in encoded.items() if tags}


def test_shards_and_threads_change_nothing(tmp_path: Path) -> None:
    whole = rows_of(1, 300)
    write_parquet(tmp_path / "whole.parquet", whole, TagSet)
    parts = [tmp_path / f"part-{part}.parquet" for part in range(3)]
    for part, path in enumerate(parts):
        write_parquet(path, whole[part * 100 : part * 100 + 100], TagSet)
    one = made(tmp_path, "one", [tmp_path / "whole.parquet"], size=5)
    three = made(tmp_path, "three", parts[::-1], size=5)
    first, second = (Vocabulary.load(folder / "vocabulary.json") for folder in (one, three))
    assert first.entries == second.entries
    assert first.fingerprint == second.fingerprint
    assert (one / "facts.json").read_bytes() == (three / "facts.json").read_bytes()


def test_a_new_file_is_counted_beside_what_was(tmp_path: Path) -> None:
    sources, cache = [source(tmp_path, 1)], tmp_path / "counted"
    config = VocabularyConfig(size=5)
    write_vocabulary(sources, config, tmp_path, cache=cache)
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.arrow")}
    sources.append(source(tmp_path, 2, rows=20))
    write_vocabulary(sources, config, tmp_path, cache=cache)
    after = {path: path.stat().st_mtime_ns for path in cache.rglob("*.arrow")}
    assert len(after) == len(before) + 1
    assert before.items() <= after.items()
    (tmp_path / "fresh").mkdir()
    write_vocabulary(sources, config, tmp_path / "fresh")
    lock = (tmp_path / "vocabulary.json").read_bytes()
    assert (tmp_path / "fresh" / "vocabulary.json").read_bytes() == lock


def test_a_frozen_vocabulary_keeps_its_ids(tmp_path: Path) -> None:
    folder = made(tmp_path, "old", [source(tmp_path, 1)], size=4)
    lock = folder / "vocabulary.json"
    taken = made(tmp_path, "new", [source(tmp_path, 2)], path=str(lock), sizes=(2,))
    assert (taken / "vocabulary.json").read_bytes() == lock.read_bytes()
    assert (taken / "label_2.txt").read_text().split() == list(Vocabulary.load(lock).tags[:2])
    facts = VocabularyStats.load(taken)
    assert "taken as it is" in facts.chosen
    assert facts.dropped["not in the frozen vocabulary"] > 0


def test_a_label_list_can_be_taken_over(tmp_path: Path) -> None:
    labels = tmp_path / "label_3.txt"
    labels.write_text("music\nspeech\nDogs\n")
    taken = made(tmp_path, "new", [source(tmp_path, 2)], path=str(labels))
    vocabulary = Vocabulary.load(taken / "vocabulary.json")
    assert vocabulary.tags == ("music", "speech", "Dogs")
    assert vocabulary.encode(["dogs", "speech", "rain"]) == (("Dogs", "speech"), (2, 1))


def test_decisions_are_in_force_and_told_when_they_cannot_be(tmp_path: Path) -> None:
    decided = tmp_path / "decisions.toml"
    decided.write_text('ban = ["man"]\nkeep = ["theremin"]\n[merge]\nbarking = "dog"\n')
    folder = made(tmp_path, "out", [source(tmp_path, 1)], decisions=str(decided))
    vocabulary = Vocabulary.load(folder / "vocabulary.json")
    assert "man" not in vocabulary.tags
    assert vocabulary.encode(["barking", "Dog"])[0] == ("dog",)
    assert any("theremin" in line for line in VocabularyStats.load(folder).unsupported)


def test_sizes_beyond_the_corpus_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="but only 8 are in at least"):
        made(tmp_path, "out", [source(tmp_path, 1)], sizes=(800,))


def test_rows_that_cannot_be_read_are_kept_with_their_place(tmp_path: Path) -> None:
    from earmark.records import Rejected

    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": "a", "tags": ["dog"]}\n{"id": "b", "tags": "dog"}\n{"id": "c", "ta\n')
    folder = made(tmp_path, "out", [rows])
    rejected = read_parquet(folder / "unread.parquet", Rejected)
    assert [row.reason for row in rejected] == ["tags are not a list", "not valid JSON"]
