from __future__ import annotations

from random import Random

import captioner_fakes as fakes
import pytest
from msgspec.structs import replace

from earmark.annotate.canary.batch_checks import find_mixed_batches
from earmark.annotate.canary.checks import (
    find_truncated,
    judge_captioner,
    mentions_silence,
    says_no_audio,
)
from earmark.annotate.canary.prober import Reply
from earmark.annotate.canary.similarity import content_words, measure_separability, similarity

KIND = {
    "silence": "silence",
    "noise": "noise",
    "one": "melody",
    "other": "knocks",
    "short": "bell",
    "long": "siren",
}


def replies_of(random: Random, *, listens: bool = True) -> list[Reply]:
    """Return what a captioner replies that listens, or one that makes everything up."""

    def reply(name: str, way: str, turn: int) -> Reply:
        kind = KIND[name] if listens else random.choice(list(fakes.KINDS))
        text = fakes.wording(kind, random)
        return Reply(name=name, way=way, turn=turn, draw=0, status="ok", text=text)

    alone = [reply(name, "alone", turn) for turn in range(3) for name in KIND]
    together = [reply(name, "together", turn) for turn in range(4) for name in KIND]
    return [*alone, *together, replace(alone[0], name="over the limit", way="over the limit")]


def test_varied_wording_passes_whatever_the_seed() -> None:
    for seed in range(200):
        assert judge_captioner(replies_of(Random(seed)), 30.0) == [], seed


def test_making_up_is_found_at_nearly_every_seed() -> None:
    found = [judge_captioner(replies_of(Random(seed), listens=False), 30.0) for seed in range(100)]
    stopped = [findings for findings in found if any(each.stop for each in findings)]
    assert len(stopped) >= 97


@pytest.mark.parametrize("circle", [("short", "long"), ("short", "one", "long", "noise")])
def test_answers_that_change_places_in_one_round_are_found(circle: tuple[str, ...]) -> None:
    found = 0
    for seed in range(40):
        replies = replies_of(Random(seed))
        place = {(reply.way, reply.turn, reply.name): n for n, reply in enumerate(replies)}
        texts = [replies[place["together", 2, name]].text for name in circle]
        for name, text in zip(circle[1:] + circle[:1], texts, strict=True):
            at = place["together", 2, name]
            replies[at] = replace(replies[at], text=text)
        finding = find_mixed_batches(replies)
        found += finding is not None and "in 1 of 4 rounds" in finding.answered
    assert found >= 36


def test_sounds_of_one_kind_are_not_taken_for_exchanged() -> None:
    stops = 0
    for seed in range(60):
        random = Random(seed)
        replies = [
            replace(reply, text=fakes.wording("siren", random)) if reply.name == "other" else reply
            for reply in replies_of(random)
        ]
        stops += any(finding.stop for finding in judge_captioner(replies, 30.0))
    assert stops <= 1


def test_equal_answers_to_different_sounds_tell_nothing_apart() -> None:
    telling = measure_separability({name: ["a dull thud"] * 3 for name in KIND})
    assert telling.separable == 0
    assert telling.ignores_audio


def test_equal_answers_to_each_sound_tell_all_apart() -> None:
    telling = measure_separability({name: [f"a {kind} here"] * 3 for name, kind in KIND.items()})
    assert (telling.separable, telling.total) == (18, 18)
    assert not telling.ignores_audio


def test_one_text_with_trifles_changed_is_one_text() -> None:
    words = " ".join(f"word{n}" for n in range(60))
    telling = measure_separability({name: [f"{words} {kind}"] * 3 for name, kind in KIND.items()})
    assert telling.separable == 18
    assert telling.ignores_audio


def test_answers_of_a_template_are_told_apart_by_its_numbers() -> None:
    texts = {str(n): [f"It lasts {n}{n}.{n}{n} seconds at {n}{n}{n} hertz."] * 3 for n in range(6)}
    assert not measure_separability(texts).ignores_audio


def test_telling_apart_wants_two_sounds() -> None:
    with pytest.raises(ValueError, match="two sounds"):
        measure_separability({"one": ["a", "b"]})


def test_likeness_counts_content_words_by_their_stems() -> None:
    dog, cat = content_words("The dog is barking."), content_words("The cat is purring.")
    assert similarity(dog, content_words("A dog barks and barked")) > 0.9
    assert similarity(dog, cat) == 0.0
    assert similarity(content_words("the of"), content_words("")) == 1.0
    assert similarity(dog, content_words("")) == 0.0


def test_likeness_reads_texts_without_spaces() -> None:
    bell, rain = content_words("钟声响亮。"), content_words("雨声很大。")
    assert 0.0 < similarity(bell, rain) < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "No audio was provided. Please share the clip.",
        "I'm sorry, but I can't listen to audio files.",
        "I’m unable to process the recording you mention.",
        "I don't see any audio attached to your message.",
        "Please upload the audio file so that I can describe it.",
        "As a text-based model, I have no ears.",
        "I cannot directly hear sounds.",
    ],
)
def test_saying_that_there_is_no_audio_is_understood(text: str) -> None:
    assert says_no_audio(text)


@pytest.mark.parametrize(
    "text",
    [
        "There is no audio of speech, only rain.",
        "The listener cannot hear any speech in this recording.",
        'A man says: "I can\'t do this any more", and a door slams.',
        "No sound of traffic is included, and the recording ends abruptly.",
        "A voice asks them to please share the bread.",
        "The recording provides no audible cues of a place.",
    ],
)
def test_captions_are_not_taken_for_it(text: str) -> None:
    assert not says_no_audio(text)


def test_silence_has_many_names() -> None:
    assert mentions_silence("The clip is completely silent.")
    assert mentions_silence("There is no discernible sound.")
    assert mentions_silence("  ")
    assert not mentions_silence("A gentle piano plays in a warm room.")


def test_cut_answers_are_a_warning() -> None:
    replies = [
        Reply(name="one", way="alone", turn=0, draw=0, status="ok", text="A", finish_reason=why)
        for why in ("length", "length", "stop")
    ]
    finding = find_truncated(replies)
    assert finding is not None
    assert not finding.stop
    assert find_truncated(replies[1:] + replies[2:]) is None
