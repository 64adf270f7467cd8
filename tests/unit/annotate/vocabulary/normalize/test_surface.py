"""How tags are written: Unicode, case, separators, punctuation; and what can be no tag."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.vocabulary.normalize.surface import (
    drop_reason,
    fold_case,
    is_plain,
    normalize_punctuation,
    normalize_separators,
    normalize_unicode,
)

STEPS = (normalize_unicode, fold_case, normalize_separators, normalize_punctuation)


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("ｆｕｎｋ", "funk"),
        ("children’s choir", "children's choir"),
        ("“rain”", '"rain"'),
        ("lo–fi", "lo-fi"),
        ("lo‑fi", "lo-fi"),
        ("lo−fi", "lo-fi"),
        ("so\u00adft", "soft"),
        ("\ufeffrain\u200b", "rain"),
        ("cafe\u0301", "café"),
        ("bird\tsong", "bird song"),
    ],
)
def test_unicode(written: str, folded: str) -> None:
    assert normalize_unicode(written) == folded


def test_case_is_folded_in_every_script() -> None:
    assert fold_case("HiFi") == "hifi"
    assert fold_case("STRASSE") == fold_case("Straße")


def test_separators_become_one_hyphen() -> None:
    for written in ("hi fi", "hi_fi", "hi - fi", "-hi__fi-"):
        assert normalize_separators(written) == "hi-fi"


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("'rain'", "rain"),
        ('"rain".', "rain"),
        ("#rain", "rain"),
        ("rain,", "rain"),
        ("drum-(kick)", "drum-kick"),
        ("rock-'n'-roll", "rock-'n'-roll"),
        ("children's-choir", "children's-choir"),
        ("f#", "f#"),
        ("rain#", "rain"),
        ("r&b", "r&b"),
    ],
)
def test_punctuation(written: str, folded: str) -> None:
    assert normalize_punctuation(written) == folded


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ("", "empty"),
        (" \t", "empty"),
        ("\x00\u200b", "control characters"),
        ("808", "no letters"),
        ("...", "no letters"),
        ("x" * 61, "too long"),
        ("x" * 60, ""),
        ("80s", ""),
        ("hip\nhop", "line break"),
        ("hip hop\u2028", "line break"),
        ("\n", "empty"),
        ("雨", ""),
    ],
)
def test_what_can_be_no_tag(tag: str, reason: str) -> None:
    assert drop_reason(tag) == reason
    written = drop_reason(tag, as_written=True)
    assert written == ("" if reason == "no letters" else reason)


def test_a_line_break_is_no_reason_where_it_is_folded() -> None:
    assert drop_reason("hip\nhop", joins_lines=True) == ""


@given(st.text(alphabet="ab-_ A", max_size=8))
def test_no_step_changes_a_plain_tag(tag: str) -> None:
    if is_plain(tag):
        assert all(step(tag) == tag for step in STEPS)
