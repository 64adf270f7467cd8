from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.audit.shape import shape
from earmark.annotate.vocabulary.config import Domain

SEEDS: dict[str, Domain] = {"speech": "speech", "piano": "music"}


def seed_domain(tag: str) -> Domain | Literal[""]:
    return SEEDS.get(tag, "")


def test_what_a_source_looks_like() -> None:
    tag_sets = [("dog", "dogs", "loud"), ("speech", "piano"), ("dog",), ()]
    found = shape("toy", "scripted", tag_sets, seed_domain, None)
    assert (found.captions, found.untagged, found.distinct, found.uses) == (4, 1, 5, 6)
    assert found.tags_mean == pytest.approx(2)
    assert (found.tags_low, found.tags_high) == (pytest.approx(1.1), pytest.approx(2.9))
    assert found.once == pytest.approx(4 / 5)
    assert found.head == 1
    assert found.redundant == pytest.approx(2 / 6)
    assert (found.speech, found.music, found.sound) == (0.25, 0.25, 0.75)


def test_a_tag_given_twice_is_one() -> None:
    once = shape("toy", "scripted", [("dog", "cat")], seed_domain, None)
    assert shape("toy", "scripted", [("dog", "cat", "dog")], seed_domain, None) == once


@pytest.mark.parametrize("tag_sets", [[], [()]])
def test_nothing_has_a_shape_without_faults(tag_sets: list[tuple[str, ...]]) -> None:
    found = shape("toy", "scripted", tag_sets, seed_domain, None)
    assert (found.uses, found.tags_mean, found.once, found.redundant) == (0, 0, 0, 0)


TAG_SETS = st.lists(
    st.lists(st.sampled_from(["dog", "dogs", "speech", "piano", "rain"]), max_size=4).map(tuple),
    max_size=20,
)


@given(TAG_SETS, st.randoms(use_true_random=False))
def test_the_order_of_captions_has_no_influence(tag_sets: list[tuple[str, ...]], random) -> None:
    shuffled = random.sample(tag_sets, len(tag_sets))
    first = shape("toy", "scripted", tag_sets, seed_domain, None)
    assert first == shape("toy", "scripted", shuffled, seed_domain, None)
