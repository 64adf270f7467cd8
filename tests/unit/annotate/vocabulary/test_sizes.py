"""Sizes: asked for, chosen by bounds, and the curve over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_counts import Corpus, count, rank

from earmark.annotate.vocabulary.config import AutoSize, ScoreName, VocabularyConfig
from earmark.annotate.vocabulary.size import (
    SMOOTHING_TAGS,
    auto_size,
    choose_size,
    curve_sizes,
    growth_curve,
)
from earmark.config import ConfigError, decode_config

CORPORA = st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=6), min_size=1, max_size=30)


def falling(*counts: int) -> np.ndarray:
    return np.array(counts, np.int64)


def auto(
    df: np.ndarray, *, positives: int = 1, gain: float = 0.0, kept: int = 0
) -> tuple[int, str]:
    return auto_size(df, int(df.sum()), AutoSize(positives=positives, gain=gain), kept)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size = 0: expected a value >= 1"),
        ({"sizes": [800, -1]}, r"sizes\[1\] = -1: expected a value >= 1"),
        ({"sizes": [800, 1000, 800]}, r"sizes = \[800, 1000, 800\] names 800 more than once"),
        ({"auto": {"positives": 0}}, "auto.positives = 0: expected a value >= 1"),
        ({"auto": {"gain": -1.0}}, "auto.gain = -1.0: expected a value >= 0 and < 1"),
        ({"auto": {"gain": float("nan")}}, "auto.gain = nan: expected a finite number"),
    ],
)
def test_sizes_that_no_corpus_has(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        decode_config(settings, VocabularyConfig)


def test_sizes_that_can_be() -> None:
    assert VocabularyConfig(size="auto", sizes=(1, 3000)).sizes == (1, 3000)


def test_the_size_asked_for() -> None:
    df = falling(9, 8, 7)
    assert choose_size(df, 24, VocabularyConfig(size=2)) == (
        2,
        "2: asked for, of 3 tags that qualify",
    )


def test_a_size_beyond_the_tags_takes_them_all_and_says_so() -> None:
    size, why = choose_size(falling(9, 8, 7), 24, VocabularyConfig(size=1000, min_df=5))
    assert size == 3
    assert why == (
        "3: all tags that are in at least 5 captions; 1000 were asked for, but there are no more"
    )


def test_sizes_beyond_the_tags_are_refused() -> None:
    message = r"asks for 4 tags, but only 3 are in at least 1 captions.* sizes = \[2, 3\]"
    with pytest.raises(ConfigError, match=message):
        choose_size(falling(9, 8, 7), 24, VocabularyConfig(sizes=(2, 4)))


def test_auto_keeps_what_people_keep() -> None:
    df = np.concatenate([falling(2, 1, 1), np.full(100, 90), np.full(100, 1)])
    assert auto(df, gain=20 / df.sum(), kept=3)[0] > 50
    assert auto(falling(1, 1, 1), gain=0.5, kept=2)[0] == 2


def test_a_size_without_room_for_the_kept_tags_is_refused() -> None:
    with pytest.raises(ConfigError, match="a size of 2 has no room for the 3 tags"):
        choose_size(falling(9, 8, 7, 6), 30, VocabularyConfig(size=4, sizes=(2,)), kept=3)


def test_auto_stops_where_tags_gain_too_little() -> None:
    df = np.repeat(falling(100, 1), [200, 800])
    size, why = auto(df, gain=1.5 / df.sum())
    assert 200 - SMOOTHING_TAGS < size <= 200
    assert "less than auto.gain" in why
    assert f"the next {SMOOTHING_TAGS} tags" in why


def test_one_dip_does_not_stop_growth() -> None:
    df = np.full(200, 100)
    df[20] = 1
    assert auto(df, gain=50 / df.sum())[0] == 200


def test_auto_without_bounds_takes_all() -> None:
    assert auto(falling(3, 2, 1), positives=1) == (
        3,
        "3: all tags that are in at least auto.positives = 1 captions",
    )


@given(CORPORA.filter(any), st.integers(1, 4), st.sampled_from(get_args(ScoreName)))
def test_auto_takes_every_tag_with_enough_positives(
    corpus: Corpus, positives: int, score: ScoreName
) -> None:
    bounds = AutoSize(positives=positives, gain=0)
    config = VocabularyConfig(size="auto", auto=bounds, score=score, min_share={"speech": 0.2})
    tags, tally = count(corpus)
    enough = {tag for tag, df in zip(tags, tally.df, strict=True) if df >= positives}
    if not enough:
        with pytest.raises(ConfigError, match=f"auto.positives = {positives}|min_df = 1"):
            rank(corpus, config)
        return
    ranking = rank(corpus, config)
    size, _ = choose_size(ranking.df, int(tally.df.sum()), config)
    assert {tags[place] for place in ranking.order[:size]} == enough


@given(CORPORA.filter(any))
def test_the_curve_is_what_each_size_has(corpus: Corpus) -> None:
    ranking = rank(corpus, VocabularyConfig())
    tags, _ = count(corpus)
    ordered = [tags[place] for place in ranking.order]
    sizes = curve_sizes(len(ranking), (2, 99))
    reached = first_ranks(corpus, ordered).cumsum()[np.array(sizes) - 1]
    points = growth_curve(ranking.df, sizes, reached, len(corpus), int(ranking.df.sum()))
    assert {1, len(ordered), min(2, len(ordered))} <= {point.size for point in points}
    for point in points:
        kept = [set(caption) & set(ordered[: point.size]) for caption in corpus]
        uses = sum(map(len, kept))
        assert point.positives == ranking.df[: point.size].min()
        assert point.clips == sum(map(bool, kept)) / len(corpus)
        assert point.uses == uses / ranking.df.sum()
        assert point.tags_a_clip == uses / max(sum(map(bool, kept)), 1)


def test_the_curve_of_many_tags_is_short() -> None:
    sizes = curve_sizes(60_000, (800, 1000, 90_000))
    assert list(sizes) == sorted(set(sizes))
    assert {1, 800, 1000, 60_000} <= set(sizes)
    assert 40 <= len(sizes) <= 62


def test_the_curve_of_no_tags() -> None:
    assert growth_curve(falling(), curve_sizes(0), falling(), 3, 0) == ()


def first_ranks(corpus: Corpus, ordered: Sequence[str]) -> np.ndarray:
    best = [min(map(ordered.index, caption)) for caption in corpus if caption]
    return np.bincount(best, minlength=len(ordered))
