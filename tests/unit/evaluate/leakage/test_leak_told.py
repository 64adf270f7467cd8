"""How leaks are told, and those that the rows alone give away."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from earmark.evaluate.leakage.detect import (
    find_shared_files,
    find_shared_sentences,
    normalize_words,
)
from earmark.evaluate.leakage.leak import Leak, summarize_leaks
from earmark.records import Example

Clip = Callable[..., Example]
LONG = "A dog barks twice while a car drives past slowly."


def leak(name: str, by: str) -> Leak:
    return Leak(id=name, name=name, by=by, learnt_id="b", learnt_name="b")  # pyright: ignore[reportArgumentType]


def test_a_clip_that_leaks_twice_is_told_once() -> None:
    leaks = [leak("a", "id"), leak("a", "sentence"), leak("c", "sentence"), leak("d", "sentence")]
    assert summarize_leaks(leaks, 1133) == (
        "leakage: 3 of 1133 test clips were learnt from (1 by id, 2 by sentence); 1 excluded where "
        "they would be scored on, 2 from tasks on texts alone; leaks.parquet lists them"
    )
    assert "; excluded where they would be scored on;" in summarize_leaks(leaks[:1], 5)
    assert "; excluded from tasks on texts alone;" in summarize_leaks(leaks[2:], 5)


def test_one_leak_and_none_are_told_in_the_singular() -> None:
    assert summarize_leaks([leak("a", "fingerprint")], 2).startswith(
        "leakage: 1 of 2 test clips was learnt"
    )
    assert (
        summarize_leaks([], 7) == "leakage: none of 7 test clips is known to have been learnt from"
    )


@pytest.mark.parametrize(
    ("learnt", "tested", "leaks"),
    [
        ({"id": "whole"}, {"id": "whole"}, True),
        ({"id": "w1", "parent": "file"}, {"id": "w2", "parent": "file"}, True),
        ({"id": "file"}, {"id": "w2", "parent": "file"}, True),
        ({"id": "w1", "parent": "file"}, {"id": "file"}, True),
        ({"id": "w1", "parent": "file"}, {"id": "w2", "parent": "other"}, False),
        ({"id": "w1"}, {"id": "w2"}, False),
    ],
)
def test_windows_of_a_file_share_it(
    clip: Clip, learnt: dict[str, str], tested: dict[str, str], leaks: bool
) -> None:
    found = list(find_shared_files([clip("a", **learnt)], [clip("b", **tested)]))
    assert [row.learnt_name for row in found] == ["a"] * leaks


@pytest.mark.parametrize(
    ("theirs", "leaks"),
    [
        ("a dog BARKS twice,  while a car drives past slowly", True),
        (f"It rains. {LONG}\nThen it stops.", True),
        ("A dog barks twice while a car drives past quickly.", False),
        ("A dog barks twice.", False),
    ],
)
def test_a_sentence_is_shared_whatever_its_case_and_punctuation(
    clip: Clip, theirs: str, leaks: bool
) -> None:
    learnt, tested = clip("a", original_captions=(LONG,)), clip("b", original_captions=(theirs,))
    found = list(find_shared_sentences([learnt], [tested], least_words=8))
    words = "a dog barks twice while a car drives past slowly"
    assert [row.detail for row in found] == [words] * leaks


def test_short_sentences_and_generated_captions_are_shared_by_nature(clip: Clip) -> None:
    short = [clip(name, original_captions=("A dog barks loudly.",)) for name in "ab"]
    assert not list(find_shared_sentences(short[:1], short[1:], least_words=8))
    assert list(find_shared_sentences(short[:1], short[1:], least_words=4))
    written = [clip(name, caption=LONG, summary=LONG) for name in "ab"]
    assert not list(find_shared_sentences(written[:1], written[1:], least_words=8))


def test_words_are_folded_in_any_script() -> None:
    assert normalize_words("Don't — STOP! Straße, Ｆｕｌｌ") == ["dont", "stop", "strasse", "full"]
