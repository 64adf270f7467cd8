"""The four scores, each against its formula written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_counts import count, pairs

from earmark.annotate.vocabulary.counting.count import Tally
from earmark.annotate.vocabulary.scores import (
    MAX_CANDIDATES,
    MIN_COOCCURRENCE,
    balanced_scores,
    information_scores,
    paper_scores,
    score_tag,
)


def tally_of(by_domain: list[list[int]], captions_by_domain: list[int]) -> Tally:
    table = np.array(by_domain, np.int64)
    return Tally(table.sum(axis=1), table, sum(captions_by_domain), np.array(captions_by_domain))


def told(corpus: list[list[str]]) -> dict[str, float]:
    """Return the information of each tag of a corpus."""
    tags, tally = count(corpus)
    matrix = pairs(corpus, tags)
    scores = information_scores(
        tally.df, len(corpus), lambda chosen: matrix[np.ix_(chosen, chosen)]
    )
    return dict(zip(tags, scores.tolist(), strict=True))


@given(st.integers(1, 10_700_000), st.data())
def test_the_papers_score(captions: int, data: st.DataObject) -> None:
    df = data.draw(st.lists(st.integers(1, captions), min_size=1, max_size=5))
    expected = [round(n * math.log((captions + 1) / (n + 1)), 6) for n in df]
    assert paper_scores(np.array(df), captions).tolist() == pytest.approx(expected, abs=1e-6, rel=0)
    assert [score_tag("paper", n, captions) for n in df] == expected


def test_a_tag_of_all_captions_scores_nothing() -> None:
    assert paper_scores(np.array([10]), 10).tolist() == [0.0]


def test_which_scores_df_gives() -> None:
    assert score_tag("frequency", 7, 100) == 7.0
    assert score_tag("balanced", 7, 100) is None
    assert score_tag("information", 7, 100) is None


def test_balanced_is_its_formula() -> None:
    tally = tally_of([[4, 1, 0]], [10, 20, 70])
    expected = 100 / 3 * (4 / 10 * math.log(11 / 5) + 1 / 20 * math.log(21 / 2))
    assert balanced_scores(tally).tolist() == [round(expected, 6)]


def test_balanced_of_one_domain_is_the_papers() -> None:
    tally = tally_of([[0, 0, 5], [0, 0, 40]], [0, 0, 100])
    assert balanced_scores(tally).tolist() == paper_scores(tally.df, 100).tolist()


def test_balanced_reads_like_the_papers_where_domains_agree() -> None:
    tally = tally_of([[1000, 2000, 7000]], [10_000, 20_000, 70_000])
    assert balanced_scores(tally)[0] == pytest.approx(paper_scores(tally.df, 100_000)[0], rel=1e-3)


def test_balanced_hears_a_rare_domain() -> None:
    tally = tally_of([[50, 0, 0], [0, 0, 60]], [100, 100, 10_000])
    spoken, sounding = balanced_scores(tally)
    assert spoken > sounding
    assert paper_scores(tally.df, 10_200).argmax() == 1


def test_information_of_a_pair_that_goes_together() -> None:
    corpus = [["dog", "bark"]] * 20 + [["rain"]] * 30
    nats = 20 * math.log(50 / 20) + 30 * math.log(50 / 30)
    expected = round(nats - 0.5, 3)
    assert told(corpus) == {"bark": expected, "dog": expected, "rain": 0.0}


def test_a_tag_of_every_caption_tells_nothing() -> None:
    scores = told([["sound", "dog", "bark"]] * 20 + [["sound", "rain"]] * 30)
    assert scores["sound"] == 0
    assert scores["dog"] > 0


def test_chance_tells_nothing() -> None:
    random = np.random.default_rng(0)
    holds = random.random((3000, 12)) < 0.2
    scores = told([[f"t{place}" for place in np.flatnonzero(row)] for row in holds])
    related = told([["a", "b"]] * 600 + [[]] * 2400)
    assert max(scores.values()) < related["a"] / 50


@pytest.mark.parametrize(
    ("together", "counts"), [(MIN_COOCCURRENCE - 1, False), (MIN_COOCCURRENCE, True)]
)
def test_rare_pairs_tell_nothing(together: int, counts: bool) -> None:
    assert (told([["a", "b"]] * together + [[]] * 100)["a"] > 0) == counts


def test_tags_that_crowd_each_other_out_tell_nothing() -> None:
    corpus = [["a", "b"]] * MIN_COOCCURRENCE + [["a"]] * 50 + [["b"]] * 50
    assert told(corpus) == {"a": 0.0, "b": 0.0}


def test_tags_beyond_the_candidates_score_nothing() -> None:
    df = np.full(MAX_CANDIDATES + 3, 10)
    df[0] = 9
    size = None

    def cooccurrence(chosen: np.ndarray) -> np.ndarray:
        nonlocal size
        size = len(chosen)
        assert 0 not in chosen
        return 10 * np.eye(size, dtype=np.int64)[:, ::-1]  # each goes with one other

    scores = information_scores(df, 1000, cooccurrence)
    assert size == MAX_CANDIDATES
    assert (scores > 0).sum() == MAX_CANDIDATES
    assert scores[0] == scores[-1] == 0
