from __future__ import annotations

import math

import numpy as np
import pytest

from earmark.annotate.audit.parsers import Sampled, compare, sample

ROWS = [
    Sampled("a", "a", "A dog barks at two cats.", ("dog", "loud dog")),
    Sampled("b", "b", "Rain falls.", ("rain", "no wind")),
]


def test_two_taggers_on_the_same_captions() -> None:
    first = {"a": ("dog", "cat"), "b": ("rain",)}
    second = {"a": ("dogs", "storm")}
    one, two = compare("toy", ROWS, {"one": first, "two": second}, resamples=20, seed=0)
    assert (one.tagger, one.captions, one.unreadable, one.distinct) == ("one", 2, 0, 3)
    assert one.tags_mean == pytest.approx(1.5)
    assert (one.grounded, two.grounded) == (1, pytest.approx(1 / 2))
    assert one.same == two.same == pytest.approx((1 / 3 + 0) / 2)
    assert (one.precision, one.recall) == (1, pytest.approx(2 / 3))
    assert (two.unreadable, two.recall) == (1, pytest.approx(1 / 3))
    assert one.f1_low <= one.f1 <= one.f1_high


def test_without_people_there_is_no_f1() -> None:
    rows = [row._replace(labels=()) for row in ROWS]
    one, two = compare("toy", rows, {"one": {}, "two": {"a": ("dog",)}}, resamples=20, seed=0)
    assert math.isnan(one.f1)
    assert math.isnan(two.f1)
    assert math.isnan(one.grounded)
    assert one.same == pytest.approx(0.5)  # nothing is said of b by either


def test_a_sample_keeps_the_order_and_follows_its_seed() -> None:
    rows = [ROWS[0]._replace(id=str(number)) for number in range(100)]
    first = sample(rows, 10, np.random.default_rng(3))
    assert first == sample(rows, 10, np.random.default_rng(3))
    assert first != sample(rows, 10, np.random.default_rng(4))
    assert [int(row.id) for row in first] == sorted(int(row.id) for row in first)
    assert sample(rows, 200, np.random.default_rng(0)) == rows
