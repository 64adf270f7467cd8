"""Seed words, and the domain of a tag from the captions that hold it."""

from __future__ import annotations

import tomllib
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.vocabulary.config import DOMAINS
from earmark.annotate.vocabulary.domains import seed_domain, seed_index, tag_domains

CAPTIONS = np.array([1000, 2000, 7000])
COUNTS = st.tuples(st.integers(0, 1000), st.integers(0, 2000), st.integers(0, 7000))


@pytest.mark.parametrize(
    ("tag", "domain"),
    [
        ("speech", "speech"),
        ("Conversation", "speech"),
        ("spoken_word", "speech"),
        ("spoken  word", "speech"),
        ("guitar", "music"),
        ("HI HAT", "music"),
        ("rain", "sound"),
        ("singing", ""),
        ("voice", ""),
        ("male", ""),
        ("", ""),
        ("_", ""),
    ],
)
def test_seeds(tag: str, domain: str) -> None:
    assert seed_domain(tag) == domain
    assert seed_index(tag) == (DOMAINS.index(domain) if domain else -1)


def test_no_word_is_a_seed_of_two_domains() -> None:
    package = resources.files("earmark.annotate.vocabulary")
    text = (package / "domains.toml").read_text("utf-8")
    words = [word for domain in tomllib.loads(text).values() for word in domain.split()]
    assert len(words) == len(set(words))
    assert all(word == word.lower() for word in words)


@pytest.mark.parametrize(
    ("counts", "domain"),
    [
        ((10, 0, 0), "speech"),
        ((0, 10, 5), "music"),
        ((0, 0, 3), "sound"),
        ((30, 60, 210), "sound"),  # as common in each: nobody's own
        ((15, 0, 70), "sound"),  # 1.5 times as common in talk: heard with it, not of it
        ((25, 0, 70), "speech"),
        ((0, 0, 0), "sound"),
    ],
)
def test_domain_by_lift(counts: tuple[int, int, int], domain: str) -> None:
    assert tag_domains(np.array([counts]), CAPTIONS) == [domain]


def test_a_domain_that_hardly_exists_claims_nothing() -> None:
    assert tag_domains(np.array([[1, 0, 300]]), np.array([3, 0, 100_000])) == ["sound"]


def test_no_captions_at_all() -> None:
    assert tag_domains(np.zeros((2, 3), np.int64), np.zeros(3, np.int64)) == ["sound", "sound"]
    assert tag_domains(np.zeros((0, 3), np.int64), CAPTIONS) == []


@given(st.lists(COUNTS, min_size=1, max_size=20))
def test_each_tag_by_itself(counts: list[tuple[int, int, int]]) -> None:
    alone = [tag_domains(np.array([row]), CAPTIONS)[0] for row in counts]
    assert tag_domains(np.array(counts), CAPTIONS) == alone


@given(COUNTS, st.integers(2, 50))
def test_a_larger_corpus_of_the_same_kind_gives_the_same(
    counts: tuple[int, int, int], times: int
) -> None:
    row = np.array([counts])
    assert tag_domains(row, CAPTIONS) == tag_domains(row * times, CAPTIONS * times)
