"""British spelling becomes American, and no other word changes."""

from __future__ import annotations

import pytest

from earmark.annotate.vocabulary.normalize.surface import to_american
from factories import assert_all

UNCHANGED = """
advertise exercise noise four hour our tour pour rise sunrise rising arise promise premise
surprise precise concise reprise franchise expertise tortoise turquoise paradise disguise
praise cruise bruise otherwise likewise supervise television improvise improvisation revise
chorister greyhound metre glamour calling rolling trilling bristling kaiser valise basis thesis
analyses oasis boulder shoulder soul source
"""


@pytest.mark.parametrize(
    ("british", "expected"),
    [
        ("colour", "color"),
        ("colourful", "colorful"),
        ("neighbourhood", "neighborhood"),
        ("harmonise", "harmonize"),
        ("harmonising", "harmonizing"),
        ("synthesiser", "synthesizer"),
        ("equaliser", "equalizer"),
        ("organisation", "organization"),
        ("analyse", "analyze"),
        ("theatre", "theater"),
        ("theatres", "theaters"),
        ("kilometre", "kilometer"),
        ("analogue", "analog"),
        ("tyre", "tire"),
        ("tyres", "tires"),
        ("plough", "plow"),
        ("travelling", "traveling"),
        ("carolling", "caroling"),
        ("grey-noise", "gray-noise"),
        ("grey noise", "gray noise"),
        ("dialog", "dialogue"),
    ],
)
def test_british_becomes_american(british: str, expected: str) -> None:
    assert to_american(british) == expected
    assert to_american(expected) == expected


def test_other_words_stay() -> None:
    assert_all((word, to_american(word), word) for word in UNCHANGED.split())
