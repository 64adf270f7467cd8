"""Retry-After in its two forms, and back-off with full jitter."""

from __future__ import annotations

import random
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.backends.endpoint.balancer import full_jitter_s
from earmark.annotate.backends.endpoint.client import parse_retry_after_s

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0.25", 0.25), (" 3 ", 3.0), ("-4", 0.0), ("0", 0.0)],
)
def test_seconds(header: str, seconds: float):
    assert parse_retry_after_s(header, NOW) == seconds


def test_http_dates():
    assert parse_retry_after_s(formatdate(NOW + 90, usegmt=True), NOW) == 90.0
    assert parse_retry_after_s(formatdate(NOW - 90, usegmt=True), NOW) == 0.0


@pytest.mark.parametrize("header", [None, "", "soon", "nan", "inf", "Mon, 99 Foo 2025"])
def test_nonsense_says_nothing(header: str | None):
    assert parse_retry_after_s(header, NOW) is None


@given(failures=st.integers(1, 2000), seed=st.integers(0, 99))
def test_jitter_stays_below_a_bound_that_doubles(failures: int, seed: int):
    pause_s = full_jitter_s(failures, 0.5, 30.0, random.Random(seed))
    assert 0 <= pause_s <= min(30.0, 0.5 * 2 ** min(failures - 1, 10))


def test_no_failure_no_pause():
    assert full_jitter_s(0, 0.5, 30.0, random.Random(0)) == 0.0


def test_jitter_is_spread_over_the_whole_range():
    chance = random.Random(0)
    drawn = [full_jitter_s(3, 1.0, 30.0, chance) for _ in range(200)]
    assert min(drawn) < 0.4
    assert max(drawn) > 3.6
