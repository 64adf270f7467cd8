"""Laws of `build_vocabulary`, which hold for every corpus: from tag lists to a vocabulary."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_counts import CORPUS, ranked_tags

from earmark.annotate.vocabulary import Vocabulary, VocabularyConfig
from earmark.annotate.vocabulary.build import build_vocabulary
from earmark.config import ConfigError
from factories import MAX_HEAVY_EXAMPLES

CORPORA = st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=6), min_size=1, max_size=30)
FEW = settings(max_examples=MAX_HEAVY_EXAMPLES, suppress_health_check=[HealthCheck.too_slow])


def vocabulary_of(corpus: Sequence[Sequence[str]], *, size: int = 1000) -> Vocabulary:
    return build_vocabulary(corpus, VocabularyConfig(size=size, normalize="none"))


@FEW
@given(CORPORA.filter(any))
def test_the_papers_vocabulary(corpus: list[list[str]]) -> None:
    assert list(vocabulary_of(corpus).tags) == ranked_tags(corpus)


@FEW
@given(CORPORA.filter(any), st.randoms(use_true_random=False))
def test_order_of_captions_has_no_influence(corpus: list[list[str]], chance: random.Random) -> None:
    shuffled = [chance.sample(tags, len(tags)) for tags in corpus]
    chance.shuffle(shuffled)
    assert vocabulary_of(shuffled).entries == vocabulary_of(corpus).entries


@FEW
@given(CORPORA.filter(any), st.integers(1, 8), st.integers(1, 8))
def test_a_smaller_vocabulary_is_the_beginning_of_a_larger(
    corpus: list[list[str]], size: int, more: int
) -> None:
    small = vocabulary_of(corpus, size=size)
    large = vocabulary_of(corpus, size=size + more)
    assert large.entries[: len(small)] == small.entries


@FEW
@given(CORPORA.filter(any))
def test_ids_are_positions(corpus: list[list[str]]) -> None:
    vocabulary = vocabulary_of(corpus)
    assert [vocabulary.index[tag] for tag in vocabulary.tags] == list(range(len(vocabulary)))
    scores = [entry.score for entry in vocabulary.entries]
    assert scores == sorted(scores, reverse=True)


def test_a_tag_counts_once_a_caption() -> None:
    (rain,) = [entry for entry in vocabulary_of(CORPUS).entries if entry.tag == "rain"]
    assert rain.df == 2


def test_a_caption_without_tags_counts() -> None:
    assert vocabulary_of([["a"], [], []]).captions == 3


def test_variants_are_aliases_and_count_once() -> None:
    corpus = [["Drums", "drum"], ["drum", "speech"], ["rain"]]
    vocabulary = build_vocabulary(corpus, VocabularyConfig())
    (drum,) = [entry for entry in vocabulary.entries if entry.tag == "drum"]
    assert (drum.df, drum.aliases) == (2, {"Drums": 1})
    assert vocabulary.encode(["DRUMS", "Drums"])[0] == ("drum",)


def test_nothing_frequent_enough() -> None:
    with pytest.raises(ConfigError, match=r"none of 2 tags is in min_df = 2 of 1 captions"):
        build_vocabulary([["a", "b"]], VocabularyConfig(min_df=2))


@pytest.mark.parametrize("setting", [{"size": 0}, {"min_df": 0}])
def test_settings_out_of_range(setting: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(setting))} = 0"):
        build_vocabulary(CORPUS, VocabularyConfig(**setting))
