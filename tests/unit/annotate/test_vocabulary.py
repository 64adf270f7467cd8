"""The vocabulary: scoring, selection and its lock file.

`python tests/unit/annotate/test_vocabulary.py` writes golden/vocabulary.json anew.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.vocabulary import (
    Vocabulary,
    VocabularyConfig,
    build_vocabulary,
    score,
    write_vocabulary,
)
from earmark.config import ConfigError
from earmark.records import TagSet

GOLDEN = Path(__file__).parent / "golden" / "vocabulary.json"
CORPUS = (
    ("speech", "man", "calm"),
    ("speech", "woman", "laughing"),
    ("music", "guitar", "hi-hat"),
    ("music", "piano", "calm"),
    ("rain", "thunder"),
    ("rain", "wind", "rain"),
    ('"quoted"', "café"),
)

CORPORA = st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=6), min_size=1, max_size=30)


def vocabulary_of(corpus: Sequence[Sequence[str]], **settings: int) -> Vocabulary:
    return build_vocabulary(corpus, VocabularyConfig(**settings))


def test_golden_lock_file(tmp_path: Path) -> None:
    vocabulary_of(CORPUS, size=8, min_df=1).save(tmp_path / "vocabulary.json")
    assert (tmp_path / "vocabulary.json").read_bytes() == GOLDEN.read_bytes()


def test_lock_file_comes_back(tmp_path: Path) -> None:
    vocabulary = vocabulary_of(CORPUS, min_df=1)
    vocabulary.save(tmp_path / "vocabulary.json")
    assert Vocabulary.load(tmp_path / "vocabulary.json") == vocabulary


def test_lock_file_has_an_entry_a_line() -> None:
    lines = GOLDEN.read_text("utf-8").splitlines()
    entries = [json.loads(line.strip().rstrip(",")) for line in lines if '"rank"' in line]
    assert [entry["rank"] for entry in entries] == list(range(1, 9))


def test_score_is_the_papers() -> None:
    assert score(3, 10) == pytest.approx(3 * math.log(11 / 4), abs=1e-6)
    assert score(10, 10) == 0


def test_a_tag_counts_once_a_caption() -> None:
    (rain,) = [e for e in vocabulary_of(CORPUS).entries if e.tag == "rain"]
    assert rain.df == 2


def test_ties_go_by_the_alphabet() -> None:
    assert vocabulary_of([["b", "a"], ["c"]], min_df=1).tags == ("a", "b", "c")


def test_a_tag_of_every_caption_comes_last() -> None:
    corpus = [["sound", "dog"], ["sound", "dog"], ["sound"], ["sound"]]
    assert vocabulary_of(corpus).tags == ("dog", "sound")


@given(CORPORA, st.randoms(use_true_random=False))
def test_order_has_no_influence(corpus: list[list[str]], chance: random.Random) -> None:
    shuffled = [chance.sample(tags, len(tags)) for tags in corpus]
    chance.shuffle(shuffled)
    if any(corpus):
        assert vocabulary_of(shuffled, min_df=1) == vocabulary_of(corpus, min_df=1)


@given(CORPORA.filter(any), st.integers(1, 8), st.integers(1, 8))
def test_a_smaller_vocabulary_is_the_beginning_of_a_larger(
    corpus: list[list[str]], size: int, more: int
) -> None:
    small = vocabulary_of(corpus, size=size, min_df=1)
    large = vocabulary_of(corpus, size=size + more, min_df=1)
    assert large.tags[: len(small)] == small.tags


@given(CORPORA.filter(any))
def test_ids_are_positions(corpus: list[list[str]]) -> None:
    vocabulary = vocabulary_of(corpus, min_df=1)
    assert [vocabulary.index[tag] for tag in vocabulary.tags] == list(range(len(vocabulary)))
    scores = [entry.score for entry in vocabulary.entries]
    assert scores == sorted(scores, reverse=True)


def test_encode_keeps_order_and_drops_the_unknown() -> None:
    vocabulary = vocabulary_of([["a", "b"], ["a", "b"], ["c", "c"]])
    assert vocabulary.tags == ("a", "b")
    assert vocabulary.encode(["b", "zebra", "a", "b"]) == (("b", "a"), (1, 0))
    assert vocabulary.encode([]) == ((), ())


def test_counts_add_up(tmp_path: Path) -> None:
    sets = [TagSet(id=str(i), tags=tags, backend="") for i, tags in enumerate(CORPUS)]
    counts = write_vocabulary(sets, VocabularyConfig(size=2), tmp_path)
    assert counts == {
        "in": 14,
        "out": 2,
        "vocabulary: too rare": 10,
        "vocabulary: beyond size": 2,
    }
    assert len(Vocabulary.load(tmp_path / "vocabulary.json")) == 2


def test_fingerprint_tells_vocabularies_apart() -> None:
    prints = {
        vocabulary_of(CORPUS, min_df=1).fingerprint,
        vocabulary_of(CORPUS, min_df=2).fingerprint,
        vocabulary_of(CORPUS, size=3, min_df=1).fingerprint,
        vocabulary_of(CORPUS[1:], min_df=1).fingerprint,
    }
    assert len(prints) == 4


def test_nothing_frequent_enough() -> None:
    with pytest.raises(ConfigError, match=r"none of 2 tags is in min_df = 2 of 1 captions"):
        vocabulary_of([["a", "b"]])


@pytest.mark.parametrize("setting", [{"size": 0}, {"min_df": 0}])
def test_settings_out_of_range(setting: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(setting))} = 0"):
        vocabulary_of(CORPUS, **setting)


@pytest.mark.parametrize(
    ("header", "entry", "message"),
    [
        ({}, {"tag": "muzak"}, "its content has the fingerprint"),
        ({}, {"tag": "rain"}, "'rain' is there twice"),
        ({}, {"rank": 7}, r"entry 2 \('music'\) has rank 7"),
        ({}, {"df": 70}, "df 70, but there are 7 captions"),
        ({}, {"score": 0.5}, "score 0.5, which its df does not give"),
        ({}, {"df": "many"}, "not a vocabulary lock file.*Expected `int`"),
        ({"captions": 8}, {}, "which its df does not give"),
        ({"settings": {"size": 9}}, {}, "its content has the fingerprint"),
        ({"format": "earmark vocabulary 99"}, {}, "this version reads"),
        ({"entries": "none"}, {}, "not a vocabulary lock file"),
    ],
)
def test_an_edited_lock_file_is_refused(
    tmp_path: Path, header: dict[str, Any], entry: dict[str, Any], message: str
) -> None:
    lock = json.loads(GOLDEN.read_text("utf-8"))
    lock["entries"][1] |= entry
    (tmp_path / "vocabulary.json").write_text(json.dumps(lock | header), "utf-8")
    with pytest.raises(ConfigError, match=message):
        Vocabulary.load(tmp_path / "vocabulary.json")


def test_a_missing_lock_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no vocabulary at"):
        Vocabulary.load(tmp_path / "vocabulary.json")


if __name__ == "__main__":
    vocabulary_of(CORPUS, size=8, min_df=1).save(GOLDEN)
