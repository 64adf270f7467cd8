"""The sentence of a clip: true, readable, and the same each time."""

import re

import pytest

from earmark.corpora.synthetic import captions
from earmark.corpora.synthetic.captions import describe_clip
from earmark.corpora.synthetic.effects import EFFECTS
from earmark.corpora.synthetic.plan import ClipPlan, MusicPart, SoundPart, SpeechPart, plan_clip
from earmark.corpora.synthetic.sounds import SOUNDS
from earmark.corpora.synthetic.speech import VOICES

SEED = 3


@pytest.fixture(scope="module")
def plans() -> list[ClipPlan]:
    return [plan_clip(SEED, index, 3.0, 8.0) for index in range(720)]


def test_there_are_words_for_everything_that_can_be_heard() -> None:
    assert set(captions.SOUND_PHRASES) == set(SOUNDS)
    assert set(captions.VOICE_PHRASES) == set(VOICES)
    assert set(captions.EFFECT_PHRASES) == set(EFFECTS)


def test_each_is_one_sentence_in_plain_words(plans: list[ClipPlan]) -> None:
    for plan in plans:
        sentence = describe_clip(plan, SEED)
        assert re.fullmatch(r"[A-Z][a-zA-Z ,-]+\.", sentence), sentence
        assert 2 <= len(sentence.split()) <= 35
        assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]|  ", sentence), sentence


def test_it_tells_every_part_of_the_clip(plans: list[ClipPlan]) -> None:
    for plan in plans:
        sentence = describe_clip(plan, SEED).lower()
        for part in plan.parts:
            if isinstance(part, SpeechPart):
                assert part.speaker.language in sentence
            if isinstance(part, MusicPart):
                assert part.instrument.rstrip("s") in sentence
                assert ("drum" in sentence) == (part.drums or part.instrument == "drums")
            if isinstance(part, SoundPart):
                assert any(words in sentence for words in captions.SOUND_PHRASES[part.sound])
        told = captions.EFFECT_PHRASES[plan.production]
        assert sentence.removesuffix(".").endswith(tuple(told))


def test_no_gender_is_told_that_the_voice_does_not_have(plans: list[ClipPlan]) -> None:
    for plan in plans:
        words = set(re.findall(r"\w+", describe_clip(plan, SEED).lower()))
        told = {"male": {"man", "male"}, "female": {"woman", "female"}}
        genders = {gender for gender, names in told.items() if words & names}
        assert genders == set(plan.labels().get("gender", ()))


def test_a_sentence_follows_from_seed_and_index_and_wordings_vary(plans: list[ClipPlan]) -> None:
    sentences = [describe_clip(plan, SEED) for plan in plans]
    assert sentences == [describe_clip(plan, SEED) for plan in plans]
    dogs = {
        sentence
        for plan, sentence in zip(plans, sentences, strict=True)
        if plan.labels().get("sound") == ("dog",) and plan.kind == "sound"
    }
    assert len(dogs) > 2
