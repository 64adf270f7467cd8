from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float32

from earmark.annotate.audit.results import TagStatistics
from earmark.annotate.audit.statistics import MIN_COMPARED, TagStatisticsCounter
from earmark.annotate.sentence_encoder import TextEmbedder
from earmark.annotate.vocabulary.config import Domain

SEEDS: dict[str, Domain] = {"speech": "speech", "piano": "music"}


def seed_domain(tag: str) -> Domain | Literal[""]:
    return SEEDS.get(tag, "")


def shape(tag_sets: Iterable[Sequence[str]], meaning: TextEmbedder | None = None) -> TagStatistics:
    tally = TagStatisticsCounter(seed_domain, meaning)
    for tags in tag_sets:
        tally.add(tags)
    return tally.shape("toy", "scripted")


def test_what_a_source_looks_like() -> None:
    tag_sets = [("dog", "dogs", "loud"), ("speech", "piano"), ("dog",), ()]
    found = shape(tag_sets)
    assert (found.captions, found.untagged, found.distinct, found.uses) == (4, 1, 5, 6)
    assert found.tags_mean == pytest.approx(2)
    assert (found.tags_low, found.tags_high) == (pytest.approx(1.1), pytest.approx(2.9))
    assert found.once == pytest.approx(4 / 5)
    assert found.head == 1
    assert found.redundant == pytest.approx(2 / 6)
    assert (found.speech, found.music, found.sound) == (0.25, 0.25, 0.75)


def test_a_tag_given_twice_is_one() -> None:
    once = shape([("dog", "cat")])
    assert shape([("dog", "cat", "dog")]) == once


@pytest.mark.parametrize("tag_sets", [[], [()]])
def test_nothing_has_a_shape_without_faults(tag_sets: list[tuple[str, ...]]) -> None:
    found = shape(tag_sets)
    assert (found.uses, found.tags_mean, found.once, found.redundant) == (0, 0, 0, 0)


TAG_SETS = st.lists(
    st.lists(st.sampled_from(["dog", "dogs", "speech", "piano", "rain"]), max_size=4).map(tuple),
    max_size=20,
)


@given(TAG_SETS, st.randoms(use_true_random=False))
def test_the_order_of_captions_has_no_influence(tag_sets: list[tuple[str, ...]], random) -> None:
    shuffled = random.sample(tag_sets, len(tag_sets))
    first = shape(tag_sets)
    assert first == shape(shuffled)


class Counted:
    """All names mean the same; remembers how many it was asked for."""

    asked = 0

    def embed(self, texts: Sequence[str]) -> Float32[np.ndarray, "texts dim"]:
        self.asked += len(texts)
        return np.ones((len(texts), 1), dtype=np.float32)


def test_of_many_captions_a_spread_of_them_is_compared_by_meaning() -> None:
    meaning = Counted()
    total = 5 * MIN_COMPARED
    found = shape(((f"tag {n}", "other") for n in range(total)), meaning)
    assert (found.captions, found.redundant) == (total, 1)
    assert MIN_COMPARED <= meaning.asked - 1 <= 2 * MIN_COMPARED
