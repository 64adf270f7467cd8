"""Tags as written to tags as counted, whatever is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.vocabulary.decisions import Decisions
from earmark.annotate.vocabulary.normalize import Normalization, normalize_all, normalize_tag
from earmark.annotate.vocabulary.normalize.steps import NORMALIZER_STEPS, NormalizerStep
from earmark.config import ConfigError

NAMES = """
Drums drum DRUM hi-fi HiFi hi_fi hifi colour color colour-bar colourbar barking barks bark
rain “rain” #rain rains childrens child’s 808 glass glasses re-creation recreation
bird-song birdsong birds-song birdsongs theatre theaters Straße strasse f# f
"""
CORPORA = st.dictionaries(
    st.sampled_from(NAMES.split()) | st.text(max_size=6), st.integers(1, 9), max_size=30
)
STEPS = st.lists(st.sampled_from(NORMALIZER_STEPS), unique=True).map(
    lambda chosen: tuple(step for step in NORMALIZER_STEPS if step in chosen)
)
DECISIONS = st.sampled_from(
    [
        Decisions(),
        Decisions(merge={"bark": "noise", "noise": "Sounds"}, ban=("rain",), keep=("drums",)),
        Decisions(rename={"hifi": "High Fidelity", "drum": "percussion"}),
        Decisions(merge={"rain": "drums"}, rename={"glass": "Barks"}),
    ]
)


def plain(frequencies: Mapping[str, int], decisions: Decisions | None = None) -> Normalization:
    return normalize_all(frequencies, NORMALIZER_STEPS, {}, decisions or Decisions())


def test_variants_become_one_tag() -> None:
    folding = plain({"Drums": 3, "drum": 5, "“drum”": 1, "DRUM": 1})
    assert set(folding.target.values()) == {"drum"}


def test_a_compound_is_joined_only_where_the_corpus_joins_it() -> None:
    assert plain({"HiFi": 1, "hi fi": 2, "hi_fi": 2}).target["HiFi"] == "hi-fi"
    assert plain({"foot-steps": 1, "footsteps": 9}).target["foot-steps"] == "footsteps"
    assert plain({"hi fi": 2}).target["hi fi"] == "hi-fi"
    assert plain({"re-creation": 2, "recreation": 2}).target["re-creation"] == "re-creation"


def test_without_steps_tags_stay_as_they_are_written() -> None:
    shown = {" Hi_Fi": 1, "hi-fi": 2, "colour": 1}
    assert normalize_all(shown, (), {"colour": "hue"}, Decisions()).target == {
        tag: tag for tag in shown
    }


@pytest.mark.parametrize(
    ("step", "left", "right"),
    [
        ("unicode", "lo‑fi", "lo-fi"),
        ("case", "Rain", "rain"),
        ("separators", "hi fi", "hi-fi"),
        ("punctuation", "#rain", "rain"),
        ("spelling", "colour", "color"),
        ("inflection", "drums", "drum"),
        ("aliases", "automobile", "car"),
    ],
)
def test_each_step_can_be_switched_off_and_is_counted(
    step: NormalizerStep, left: str, right: str
) -> None:
    shown, aliases = {left: 2, right: 3}, {"automobile": "car"}
    without = tuple(name for name in NORMALIZER_STEPS if name != step)
    assert normalize_all(shown, without, aliases, Decisions()).target[left] != right
    folding = normalize_all(shown, (step,), aliases, Decisions())
    change = folding.changes[0]
    assert folding.target[left] == right
    assert (change.step, change.tags, change.uses) == (step, 1, 2)
    assert change.examples == ((left, right),)


def test_dropped_tags_say_why() -> None:
    folding = plain({"": 1, "808": 2, "x" * 61: 1, "\x07": 1, "rain": 1}, Decisions(ban=("Rain",)))
    assert set(folding.target.values()) == {""}
    assert folding.dropped == {
        "": "empty",
        "808": "no letters",
        "x" * 61: "too long",
        "\x07": "control characters",
        "rain": "banned",
    }


def test_aliases_are_followed_to_their_end() -> None:
    aliases = {"Automobile": "motor car", "motor-car": "car"}
    shown = {"automobile": 1, "motor car": 1}
    folding = normalize_all(shown, NORMALIZER_STEPS, aliases, Decisions())
    assert set(folding.target.values()) == {"car"}
    assert normalize_tag("AUTOMOBILE", NORMALIZER_STEPS, aliases) == "car"


@pytest.mark.parametrize("aliases", [{"a": "b", "b": "a"}, {"rain": "..."}])
def test_aliases_that_cannot_be(aliases: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="aliases: "):
        normalize_all({"rain": 1}, NORMALIZER_STEPS, aliases, Decisions())


def test_decisions_come_after_the_normalizer() -> None:
    decisions = Decisions(
        merge={"Reverberant": "reverb"}, rename={"reverb": "echo"}, keep=("Drums",)
    )
    folding = plain({"reverberant": 2, "Reverb": 1, "drums": 1, "drum": 1}, decisions)
    assert folding.target["reverberant"] == folding.target["Reverb"] == "echo"
    assert folding.keep == ("drum",)
    assert folding.changes[-1].step == "decisions"
    assert folding.changes[-1].tags == 2
    assert folding.unsupported == ()


def test_decisions_that_the_corpus_no_longer_bears() -> None:
    decisions = Decisions(merge={"a": "rain"}, ban=("b",), keep=("c",), rename={"d": "e"})
    told = plain({"rain": 1}, decisions).unsupported
    assert len(told) == 4
    assert all(any(f"no caption holds '{tag}'" in words for words in told) for tag in "abcd")


def test_contradictions_that_only_the_normalizer_shows() -> None:
    with pytest.raises(ConfigError, match=r"ban \('drum'\).*keep \('Drums'\)"):
        plain({"drums": 1, "drum": 1}, Decisions(ban=("drum",), keep=("Drums",)))


def test_a_new_name_must_be_a_tag() -> None:
    with pytest.raises(ConfigError, match="ban it"):
        plain({"rain": 1}, Decisions(rename={"rain": ""}))


def test_a_tag_that_the_corpus_did_not_show() -> None:
    assert normalize_tag("Hi_Fi!", NORMALIZER_STEPS, {}) == "hi-fi"
    assert normalize_tag("Colours", NORMALIZER_STEPS, {}) == "colors"
    assert normalize_tag("...", NORMALIZER_STEPS, {}) == ""
    assert normalize_tag("Hi_Fi", (), {}) == "Hi_Fi"


@given(CORPORA, STEPS, DECISIONS)
def test_folding_the_folded_changes_nothing(
    frequencies: dict[str, int], steps: tuple[NormalizerStep, ...], decisions: Decisions
) -> None:
    aliases = {"hi-fi": "high-fidelity", "child": "Kids"}
    folding = normalize_all(frequencies, steps, aliases, decisions)
    folded: Counter[str] = Counter()
    for tag, count in frequencies.items():
        folded[folding.target[tag]] += count
    del folded[""]
    again = normalize_all(folded, steps, aliases, decisions)
    assert again.target == {tag: tag for tag in folded}
    assert not any(change.tags for change in again.changes)


@given(CORPORA, STEPS, DECISIONS, st.randoms())
def test_order_has_no_influence(
    frequencies: dict[str, int], steps: tuple[NormalizerStep, ...], decisions: Decisions, random
) -> None:
    shuffled = list(frequencies.items())
    random.shuffle(shuffled)
    assert normalize_all(dict(shuffled), steps, {}, decisions) == normalize_all(
        frequencies, steps, {}, decisions
    )


@given(CORPORA)
def test_every_tag_has_a_target_or_a_reason(frequencies: dict[str, int]) -> None:
    folding = plain(frequencies)
    assert folding.target.keys() == frequencies.keys()
    assert folding.dropped.keys() == {tag for tag, target in folding.target.items() if not target}
