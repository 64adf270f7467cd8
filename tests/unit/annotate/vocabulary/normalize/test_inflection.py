"""Plurals and forms of verbs: folded where a corpus shows both, never into another word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.vocabulary.normalize.inflection import (
    lemmatize,
    merge_inflections,
    singularize,
)
from factories import assert_all

BASES = """
glasses brass bass bus news strings keys blues series species lens christmas chorus
electronics acoustics string ring wing spring king thing morning evening building ceiling
wedding speed feed red bed shed naked sacred training recording popping fishing boxing
meeting landing gas is us 80s
"""


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("dogs barking", "dog bark"),
        ("Dog-Barks", "dog bark"),
        ("birds_chirped", "bird chirp"),
        ("women", "woman"),
        ("buses", "bus"),
        ("boxes", "box"),
        ("churches", "church"),
        ("melodies", "melody"),
        ("echoes", "echo"),
        ("oboes", "oboe"),
        ("knives", "knife"),
        ("waves", "wave"),
        ("horses", "horse"),
        ("hi-hats", "hi hat"),
        ("humming", "hum"),
        ("rustling", "rustle"),
        ("crying", "cry"),
        ("cried", "cry"),
        ("sang", "sing"),
        ("unzipping", "unzip"),
        ("childrens", "child"),
    ],
)
def test_lemma(name: str, base: str) -> None:
    assert lemmatize(name) == base


def test_other_words_are_their_own_lemma() -> None:
    assert_all((word, lemmatize(word), word) for word in BASES.split())


def test_plural_goes_to_its_singular_even_where_that_is_rarer() -> None:
    assert merge_inflections({"drums": 90, "drum": 1}) == {"drums": "drum"}


def test_nothing_is_folded_without_its_other_form() -> None:
    assert merge_inflections({"drums": 90, "barking": 3}) == {}


def test_forms_of_a_verb_go_to_the_most_frequent() -> None:
    shown = {"bark": 1, "barks": 2, "barking": 9, "barked": 1}
    assert merge_inflections(shown) == dict.fromkeys(("bark", "barks", "barked"), "barking")


def test_equals_go_to_the_shortest() -> None:
    assert merge_inflections({"barking": 2, "bark": 2}) == {"barking": "bark"}


def test_names_of_several_words() -> None:
    shown = {"dogs-barking": 1, "dog-barking": 2, "dog-barks": 1, "dog-bite": 4}
    assert merge_inflections(shown) == dict.fromkeys(("dogs-barking", "dog-barks"), "dog-barking")


@pytest.mark.parametrize(
    "pair", ["singing singe", "string str", "glasses glass", "blues blue", "pops pop", "news new"]
)
def test_unrelated_words_stay_apart(pair: str) -> None:
    assert merge_inflections(dict.fromkeys(pair.split(), 5)) == {}


@given(st.text(alphabet="abeinsuoyxhzgcmd-", max_size=10))
def test_singular_of_a_singular_is_itself(word: str) -> None:
    assert singularize(singularize(word)) == singularize(word)
