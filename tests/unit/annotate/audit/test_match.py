from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float32

from earmark.annotate.audit.matching import (
    Matcher,
    alternative_names,
    build_matchers,
    is_negated,
    split_words,
    word_lemmas,
)
from earmark.annotate.sentence_encoder import TAG_TEMPLATE

WORDS = st.sampled_from(["dog", "bark", "guitar", "acoustic", "rain", "bell", "church"])
NAMES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)


class Axes:
    """Meanings by hand: words of one sense share an axis."""

    def __init__(self, *senses: str) -> None:
        self.senses = [frozenset(sense.split()) for sense in senses]

    def embed(self, texts: Sequence[str]) -> Float32[np.ndarray, "texts dim"]:
        vectors = np.zeros((len(texts), len(self.senses) + len(texts)), dtype=np.float32)
        prefix = len(TAG_TEMPLATE.format(""))
        for row, text in enumerate(texts):
            own = [i for i, sense in enumerate(self.senses) if text[prefix:] in sense]
            vectors[row, own[0] if own else len(self.senses) + row] = 1
        return np.pad(vectors, ((0, 0), (0, 100 - vectors.shape[1])))


def named(matcher: Matcher, *tags: str) -> set[str]:
    return {matcher.classes.names[position] for position in matcher.named(tags)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Male speech, man speaking", ["male speech", "man speaking"]),
        ("Whimper (dog)", ["whimper"]),
        ("Roaring cats (lions, tigers)", ["roaring cats"]),
        ("crying_baby", ["crying baby"]),
        ("Hi-hat", ["hi hat"]),
        ("Acoustic_guitar", ["acoustic guitar"]),
        ("instrument---electricguitar", ["electricguitar"]),
        ("mood/theme---happy", ["happy"]),
        ("Drawer open or close", ["drawer open or close"]),
        ("Bee, wasp, etc.", ["bee", "wasp"]),
        ("interior/domestic", ["interior", "domestic"]),
        ("Music of Latin America", ["music of latin america"]),
        ("(remark)", ["remark"]),
        ("...", []),
        ("", []),
    ],
)
def test_a_class_name_is_taken_apart(name: str, expected: list[str]) -> None:
    assert [" ".join(words) for words in alternative_names(name)] == expected


@pytest.mark.parametrize("tag", ["Hi-Hat", "hi hat", "hi_hat", "hihat"])
def test_case_and_separators_do_not_part_a_tag_from_its_class(tag: str) -> None:
    exact = build_matchers(["Hi-hat", "Drum"], [], None)[0]
    assert named(exact, tag) == {"Hi-hat"}


@pytest.mark.parametrize(
    ("label", "tags"),
    [
        ("crying_baby", ("baby", "crying")),
        ("dog", ("dogs",)),
        ("footsteps", ("footstep",)),
        ("Acoustic_guitar", ("guitar", "acoustic")),
        ("Dog bark", ("barking", "dog")),
        ("playing violin", ("violin",)),
        ("people sneezing", ("sneeze",)),
        ("colours synthesiser", ("synthesizer", "color")),
        ("Music of Africa", ("africa", "music")),
        ("Dental drill, dentist's drill", ("dentist", "drill")),
    ],
)
def test_tags_name_a_class_together_by_lemma(label: str, tags: tuple[str, ...]) -> None:
    exact, lemma = build_matchers([label, "other"], [], None)
    assert named(exact, *tags) == set()
    assert named(lemma, *tags) == {label}


@pytest.mark.parametrize(
    ("label", "tag"),
    [
        ("Acoustic guitar", "guitar"),
        ("washing_machine", "machine"),
        ("Car alarm", "car"),
        ("Drawer open or close", "close"),
        ("dog", "hotdog"),
        ("Cat", "dog"),
    ],
)
def test_a_part_of_a_name_is_not_the_name(label: str, tag: str) -> None:
    assert all(named(matcher, tag) == set() for matcher in build_matchers([label], [], None))


def test_who_is_labelled_with_more_may_be_called_less() -> None:
    names = ["bass", "groovy bass", "dog"]
    exact, lemma = build_matchers(names, [], None)
    assert exact.right([1]) == {1}
    assert lemma.right([1]) == {0, 1}
    assert lemma.right([0]) == {0}


def test_tags_of_one_meaning_name_a_class() -> None:
    meaning = Axes("car automobile", "dog hound")
    matcher = build_matchers(
        ["Car", "Dog", "Cat, kitten"], ["automobile", "hound", "cloud"], meaning
    )[2]
    assert matcher.match == "semantic"
    assert named(matcher, "automobile") == {"Car"}
    assert named(matcher, "automobile", "hound", "cloud") == {"Car", "Dog"}
    assert named(matcher, "kitten") == {"Cat, kitten"}


def test_labels_of_one_meaning_are_right_for_each_other() -> None:
    names = ["singer", "vocalist", "dog", "male vocalist"]
    *_, semantic = build_matchers(names, [], Axes("singer vocalist"))
    assert semantic.right([1]) == {0, 1}
    assert semantic.right([3]) == {0, 1, 3}


@pytest.mark.parametrize(
    ("label", "expected"), [("no voices", True), ("without drums", True), ("noisy", False)]
)
def test_labels_that_deny(label: str, expected: bool) -> None:
    assert is_negated(label) is expected


@given(st.lists(NAMES, min_size=1, max_size=6, unique=True), st.lists(NAMES, max_size=5))
def test_each_match_takes_in_the_ones_before(names: list[str], tags: list[str]) -> None:
    exact, lemma, semantic = build_matchers(names, tags, Axes("dog bark", "bell church"))
    assert exact.named(tags) <= lemma.named(tags) <= semantic.named(tags)
    for position in range(len(names)):
        own = (matcher.right([position]) for matcher in (exact, lemma, semantic))
        smallest, middle, largest = own
        assert {position} == smallest <= middle <= largest


@given(st.lists(NAMES, min_size=1, max_size=6, unique=True))
def test_a_class_is_named_by_its_own_name(names: list[str]) -> None:
    for matcher in build_matchers(names, [], None):
        for position, name in enumerate(names):
            assert position in matcher.named([name])


def test_only_grammar_is_grammar_still() -> None:
    assert word_lemmas(split_words("the of")) == {"the", "of"}
