"""The limit of requests in flight: grows, is cut once a round, stays within bounds."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.backends.endpoint.balancer import (
    INITIAL_LIMIT,
    ROUNDS_TO_MAXIMUM,
    AdaptiveLimit,
)


def a_round(limit: AdaptiveLimit, refused: int = 0) -> None:
    served = limit.value - refused
    for _ in range(refused):
        limit.turned_away()
    for _ in range(served):
        limit.answered()


def saturated(maximum: int) -> AdaptiveLimit:
    """A limit that has been through a hard cut, and has no memory of it but the growth."""
    limit = AdaptiveLimit(maximum)
    a_round(limit, limit.value)
    for _ in range(1000):
        limit.answered()
    return limit


def test_doubles_each_round_until_the_maximum():
    limit = AdaptiveLimit(100)
    seen = [limit.value]
    for _ in range(2):
        a_round(limit)
        seen.append(limit.value)
    assert seen == [50, 100, 100]
    assert AdaptiveLimit(20).value == INITIAL_LIMIT
    assert AdaptiveLimit(5).value == 5


def test_a_server_that_refuses_everything_gets_half_each_round():
    limit = AdaptiveLimit(1024)
    for _ in range(4):
        a_round(limit)
    seen = [limit.value]
    while limit.value > 1:
        a_round(limit, limit.value)
        seen.append(limit.value)
    # The first cut still remembers better times.
    assert all(after <= 0.55 * before + 1 for before, after in pairwise(seen[2:]))
    assert limit.exhausted


def test_after_a_hard_cut_it_grows_by_a_sixteenth_of_the_maximum_each_round():
    limit = AdaptiveLimit(160)
    a_round(limit, limit.value)
    before = limit.value
    a_round(limit)
    assert abs(limit.value - before - 160 / ROUNDS_TO_MAXIMUM) <= 3
    assert limit.value < 2 * before + 160 / ROUNDS_TO_MAXIMUM


def test_cut_once_a_round_however_many_are_refused():
    limit = saturated(64)
    assert limit.value == 64
    for _ in range(10):
        limit.turned_away()
    after_ten = limit.value
    assert 48 < after_ten < 64
    for _ in range(50):
        limit.turned_away()
    assert limit.value == after_ten
    for _ in range(20):
        limit.turned_away()
    assert limit.value < after_ten


def test_a_few_refusals_do_not_starve_it():
    limit = AdaptiveLimit(64)
    lowest = 64
    for number in range(1, 4001):
        limit.turned_away() if number % 20 == 0 else limit.answered()
        if number > 1000:
            lowest = min(lowest, limit.value)
    assert lowest >= 56
    assert not limit.exhausted


def test_restart_forgets():
    limit = saturated(64)
    a_round(limit, limit.value)
    limit.restart()
    assert limit.value == 32
    assert not limit.exhausted
    a_round(limit)
    assert limit.value == 64


@given(maximum=st.integers(1, 300), outcomes=st.lists(st.booleans(), max_size=400))
def test_stays_between_one_and_the_maximum(maximum: int, outcomes: list[bool]):
    limit = AdaptiveLimit(maximum)
    for served in outcomes:
        limit.answered() if served else limit.turned_away()
        assert 1 <= limit.value <= maximum


@given(outcomes=st.lists(st.booleans(), max_size=200))
def test_no_refusal_raises_and_no_answer_lowers_it(outcomes: list[bool]):
    limit = AdaptiveLimit(128)
    for served in outcomes:
        before = limit.value
        limit.answered() if served else limit.turned_away()
        assert limit.value >= before if served else limit.value <= before
