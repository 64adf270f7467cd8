from __future__ import annotations

import math

import numpy as np
import pytest

from earmark.annotate.audit.taggers import SampledCaption, compare_taggers, sample_captions

ROWS = [
    SampledCaption("a", "a", "A dog barks at two cats.", ("dog", "loud dog")),
    SampledCaption("b", "b", "Rain falls.", ("rain", "no wind")),
]


def test_two_taggers_on_the_same_captions() -> None:
    first = {"a": ("dog", "cat"), "b": ("rain",)}
    second = {"a": ("dogs", "storm")}
    second |= {"b": ()}
    one, two = compare_taggers("toy", ROWS, {"one": first, "two": second}, resamples=20, seed=0)
    assert (one.tagger, one.captions, one.unreadable, one.distinct) == ("one", 2, 0, 3)
    assert one.tags_mean == pytest.approx(1.5)
    assert (one.grounded, two.grounded) == (1, pytest.approx(1 / 2))
    assert one.same == two.same == pytest.approx((1 / 3 + 0) / 2)
    assert (one.precision, one.recall) == (1, pytest.approx(2 / 3))
    assert (two.unreadable, two.recall) == (0, pytest.approx(1 / 3))
    assert one.f1_low <= one.f1 <= one.f1_high


def test_what_one_could_not_read_neither_is_scored_by() -> None:
    first = {"a": ("dog",), "b": ("storm",)}
    one, two = compare_taggers(
        "toy", ROWS, {"one": first, "two": {"a": ("dog",)}}, resamples=20, seed=0
    )
    assert (one.captions, one.unreadable, two.captions, two.unreadable) == (2, 0, 2, 1)
    assert (one.recall, one.f1) == (two.recall, two.f1) == (1 / 2, pytest.approx(2 / 3))
    assert (one.same, one.grounded, one.distinct) == (1, 1, 1)


def test_without_people_there_is_no_f1() -> None:
    rows = [row._replace(labels=()) for row in ROWS]
    one, two = compare_taggers(
        "toy", rows, {"one": {}, "two": {"a": ("dog",)}}, resamples=20, seed=0
    )
    for score in (one, two):
        for figure in (score.f1, score.grounded, score.same, score.tags_mean):
            assert math.isnan(figure)  # nothing was read by both


def test_a_sample_keeps_the_order_and_follows_its_seed() -> None:
    rows = [ROWS[0]._replace(id=str(number)) for number in range(100)]
    first = sample_captions(rows, 10, np.random.default_rng(3))
    assert first == sample_captions(rows, 10, np.random.default_rng(3))
    assert first != sample_captions(rows, 10, np.random.default_rng(4))
    assert [int(row.id) for row in first] == sorted(int(row.id) for row in first)
    assert sample_captions(rows, 200, np.random.default_rng(0)) == rows
