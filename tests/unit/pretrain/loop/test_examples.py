from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from earmark.annotate.vocabulary import Vocabulary
from earmark.config import ConfigError
from earmark.pretrain.loop.data import split_examples
from earmark.pretrain.objectives.config import (
    CaptioningConfig,
    ContrastiveConfig,
    MultitaskConfig,
    TagsConfig,
)
from earmark.records import Example

Make = Callable[..., list[Example]]


def test_what_an_objective_lacks_is_left_out_and_counted(
    make_examples: Make, vocabulary: Vocabulary
) -> None:
    examples = make_examples(6) + make_examples(3, "validation") + make_examples(2, "test")
    told = [
        msgspec.structs.replace(clip, summary="A tone." if place % 3 else " ")
        for place, clip in enumerate(examples)
    ]
    splits = split_examples(told, vocabulary, ContrastiveConfig())
    assert [len(splits.train), len(splits.validation), splits.test] == [4, 2, 2]
    counts = splits.counts()
    assert counts == {
        "in": 11,
        "out": 6,
        "pretrain: held out for test": 2,
        "pretrain: no summary text": 3,
    }
    assert counts.pop("in") == sum(counts.values())
    assert split_examples(examples, vocabulary, TagsConfig()).counts()["out"] == 9


def test_a_smaller_share_of_the_recordings_is_within_a_larger_one(
    make_examples: Make, vocabulary: Vocabulary
) -> None:
    examples = make_examples(200) + make_examples(20, "validation")
    half, fifth = (
        split_examples(examples, vocabulary, TagsConfig(), train_share=share)
        for share in (0.5, 0.2)
    )
    assert 70 < len(half.train) < 130
    assert 20 < len(fifth.train) < 60
    assert {clip.id for clip in fifth.train} <= {clip.id for clip in half.train}
    assert len(half.validation) == 20
    assert half.counts()["pretrain: beyond train_share"] == 200 - len(half.train)


def test_clips_of_one_recording_are_learnt_from_together(
    make_examples: Make, vocabulary: Vocabulary
) -> None:
    examples = [
        msgspec.structs.replace(clip, recording=f"tape {place // 10}")
        for place, clip in enumerate(make_examples(100))
    ]
    train = split_examples(examples, vocabulary, TagsConfig(), train_share=0.5).train
    tapes = [clip.recording for clip in train]
    assert tapes
    assert all(tapes.count(tape) == 10 for tape in set(tapes))


def test_what_is_required_besides_leaves_out_and_is_counted(
    make_examples: Make, vocabulary: Vocabulary
) -> None:
    examples = [
        msgspec.structs.replace(clip, original_captions=("A dog.",) if place < 4 else ())
        for place, clip in enumerate(make_examples(6))
    ]
    splits = split_examples(examples, vocabulary, TagsConfig(), require=("original", "tags"))
    assert [len(splits.train), splits.counts()["pretrain: no original text"]] == [4, 2]


def test_every_part_of_an_objective_has_to_have_its_own(
    make_examples: Make, vocabulary: Vocabulary
) -> None:
    first, second, third = make_examples(3)
    spoken = [
        msgspec.structs.replace(first, caption="A tone.", labels={"human": ("tone",)}),
        msgspec.structs.replace(second, caption="A noise."),
        msgspec.structs.replace(third, labels={"human": ("noise",)}),
    ]
    both = MultitaskConfig(parts=(TagsConfig(label="human"), CaptioningConfig(text="caption")))
    counts = split_examples(spoken, vocabulary, both).counts()
    assert counts == {
        "in": 3,
        "out": 1,
        "pretrain: no caption text": 1,
        "pretrain: no label human": 1,
    }


def test_where_nothing_is_left_the_message_says_what_to_set(
    make_examples: Make, vocabulary: Vocabulary
) -> None:
    clips = [
        msgspec.structs.replace(clip, caption="A tone.", labels={"human": ("tone",)})
        for clip in make_examples(3)
    ]
    with pytest.raises(ConfigError) as raised:
        split_examples(clips, vocabulary, CaptioningConfig(text="original"))
    for words in ("no original text (3)", "they have caption (", "corpus.captions_column", "human"):
        assert words in str(raised.value)
    with pytest.raises(ConfigError, match=r"no label humans \(3\).*of labels human"):
        split_examples(clips, vocabulary, TagsConfig(label="humans"))
