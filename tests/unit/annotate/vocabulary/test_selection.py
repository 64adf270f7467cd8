"""Ranking: laws that hold for every corpus, floors, kept tags and mistakes in settings."""

from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_counts import CORPUS, Corpus, count, rank, ranked_tags

from earmark.annotate.vocabulary.config import DOMAINS, ScoreName, VocabularyConfig
from earmark.annotate.vocabulary.counting.count import Tally
from earmark.annotate.vocabulary.scores import score_tag
from earmark.annotate.vocabulary.select import Ranking, rank_tags
from earmark.config import ConfigError

WORDS = ("speech", "talk", "music", "guitar", "drum", "dog", "rain", "a", "b", "c", "d")
CORPORA = st.lists(st.lists(st.sampled_from(WORDS), max_size=6), min_size=1, max_size=30).filter(
    any
)
SCORES = st.sampled_from(["paper", "frequency", "balanced", "information"])
LETTERS = "pms"
"""Speech, music and sound, as in DOMAINS."""
SHARES = st.tuples(*[st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.25, 0.3, 0.33])] * 3)


def spread(domains: str, shares: dict[str, float], kept: int = 0) -> Ranking:
    """Rank tags of the given domains (see LETTERS), each less frequent than the one before."""
    df = np.arange(len(domains) + 1000, 1000, -1)
    by_domain = np.zeros((len(domains), 3), np.int64)
    for row, letter in enumerate(domains):
        by_domain[row, LETTERS.index(letter)] = df[row]
    tags = [f"{letter}{row:03d}" for row, letter in enumerate(domains)]
    tally = Tally(df, by_domain, 100_000, np.array([30_000, 30_000, 40_000]))
    config = VocabularyConfig(score="frequency", min_share=shares)  # pyright: ignore[reportArgumentType]
    return rank_tags(tags, tally, config, tags[len(tags) - kept :] if kept else ())


@given(CORPORA)
def test_the_papers_vocabulary(corpus: Corpus) -> None:
    df = Counter(tag for caption in corpus for tag in set(caption))
    n = len(corpus)
    expected = sorted(df, key=lambda tag: (-(score_tag("paper", df[tag], n) or 0), tag))
    assert ranked_tags(corpus) == expected


@given(CORPORA, SCORES, st.randoms(use_true_random=False))
def test_order_has_no_influence(corpus: Corpus, score: ScoreName, chance: random.Random) -> None:
    shuffled = [chance.sample(tags, len(tags)) for tags in map(list, corpus)]
    chance.shuffle(shuffled)
    config = VocabularyConfig(score=score, min_share={"music": 0.4})
    assert ranked_tags(shuffled, config) == ranked_tags(corpus, config)


@given(CORPORA, SCORES)
def test_best_first_and_each_once(corpus: Corpus, score: ScoreName) -> None:
    ranking = rank(corpus, VocabularyConfig(score=score))
    assert ranking.scores.tolist() == sorted(ranking.scores.tolist(), reverse=True)
    assert sorted(ranking.order.tolist()) == list(range(len(count(corpus)[0])))
    assert len(ranking.domains) == len(ranking.df) == len(ranking)


def test_the_order_of_tags_given_has_no_influence() -> None:
    tags, tally = count(CORPUS)
    turned = Tally(tally.df[::-1], tally.by_domain[::-1], tally.captions, tally.captions_by_domain)
    there = rank_tags(tags, tally, VocabularyConfig())
    back = rank_tags(tags[::-1], turned, VocabularyConfig())
    assert [tags[i] for i in there.order] == [tags[::-1][i] for i in back.order]


def test_ties_go_by_the_alphabet() -> None:
    assert ranked_tags([["b", "a"], ["c"]]) == ["a", "b", "c"]


def test_a_tag_of_every_caption_comes_last() -> None:
    corpus = [["sound", "dog"], ["sound", "dog"], ["sound"], ["sound"]]
    assert ranked_tags(corpus) == ["dog", "sound"]


def test_tags_that_information_does_not_weigh_go_by_frequency() -> None:
    corpus = [["a", "b"]] * 5 + [["c"]] * 3 + [["d"]] * 4
    assert ranked_tags(corpus, VocabularyConfig(score="information")) == ["a", "b", "d", "c"]


def test_min_df() -> None:
    corpus = [["a", "b"], ["a"], ["b"], ["c"]]
    assert ranked_tags(corpus, VocabularyConfig(min_df=2)) == ["a", "b"]


def test_kept_tags_come_first_however_rare() -> None:
    corpus = [["a", "b"], ["a"], ["b"], ["z"], []]
    config = VocabularyConfig(min_df=2)
    assert ranked_tags(corpus, config, keep=["z", "nowhere"]) == ["z", "a", "b"]
    assert rank(corpus, config, keep=["z", "nowhere"]).kept == 1


def test_a_seed_is_of_its_own_domain() -> None:
    corpus = [["rain", "speech"]] * 9 + [["dog"]] * 9
    ranking = rank(corpus, VocabularyConfig())
    domains = dict(zip(ranked_tags(corpus), ranking.domains, strict=True))
    assert domains == {"rain": "sound", "speech": "speech", "dog": "sound"}


@given(st.text(LETTERS, max_size=80), SHARES)
def test_every_prefix_meets_the_floors(domains: str, shares: tuple[float, ...]) -> None:
    """As far as tags allow: n tags hold floor(n * share) of a domain, or all that there are."""
    domains = "s" * 3 + domains + "mmmpp"
    floors = dict(zip(DOMAINS, shares, strict=True))
    ranking = spread(domains, floors)
    there = Counter(ranking.domains)
    found = Counter[str]()
    for n, domain in enumerate(ranking.domains, start=1):
        found[domain] += 1
        for name, share in floors.items():
            wanted = math.floor(n * round(share * 100) / 100 + 1e-9)
            assert found[name] >= min(wanted, there[name]), (n, name)


@given(st.text(LETTERS, min_size=1, max_size=60), SHARES)
def test_floors_keep_the_order_within_a_domain(letters: str, shares: tuple[float, ...]) -> None:
    ranking = spread(letters, dict(zip(DOMAINS, shares, strict=True)))
    for domain in DOMAINS:
        places = [p for p, d in zip(ranking.order, ranking.domains, strict=True) if d == domain]
        assert places == sorted(places)
    assert sorted(ranking.order.tolist()) == list(range(len(letters)))


def test_without_need_floors_change_little() -> None:
    alternating = "sm" * 20
    assert spread(alternating, {"music": 0.1}).domains[:4].count("music") == 2
    assert spread(alternating, {}).order.tolist() == list(range(40))


def test_a_floor_brings_up_a_rare_domain() -> None:
    ranking = spread("s" * 40 + "m" * 10, {"music": 0.2})
    assert ranking.domains[:20].count("music") == 4
    assert spread("s" * 40 + "m" * 10, {}).domains[:20].count("music") == 0


def test_floors_make_up_for_kept_tags() -> None:
    ranking = spread("m" * 20 + "s" * 10, {"music": 0.5}, kept=10)
    assert set(ranking.domains[:10]) == {"sound"}
    assert ranking.domains[:20].count("music") == 10


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_df": 0}, "min_df = 0: expected a value >= 1"),
        ({"min_share": {"music": 1.0}}, r"min_share.music = 1.0: expected a value >= 0 and < 1"),
        ({"min_share": {"music": -0.1}}, r"min_share.music = -0.1"),
        ({"min_share": {"music": math.nan}}, r"min_share.music = nan"),
        ({"min_share": {"speech": 0.7, "music": 0.3}}, r"speech = 0.7, music = 0.3\) take up"),
        ({"min_share": {"musik": 0.3}}, r"min_share.musik is of no domain. Did you mean 'music'\?"),
        ({"min_df": 3}, "none of 14 tags is in min_df = 3 of 7 captions. Give more clips or a"),
    ],
)
def test_settings_out_of_range(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        rank(CORPUS, VocabularyConfig(**settings))  # pyright: ignore[reportArgumentType]


def test_an_empty_corpus() -> None:
    with pytest.raises(ConfigError, match="none of 0 tags is in min_df = 1 of 0 captions"):
        rank([], VocabularyConfig())
