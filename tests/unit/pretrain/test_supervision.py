"""What an objective learns from: tags or labels, the captioner's texts or the corpus's own."""

from __future__ import annotations

import msgspec
import pytest

from earmark.annotate.vocabulary import Vocabulary
from earmark.pretrain.objectives.config import (
    CaptioningConfig,
    ContrastiveConfig,
    MultitaskConfig,
    ObjectiveConfig,
    TagsConfig,
    TagsParallelConfig,
)
from earmark.pretrain.objectives.targets import (
    ClassSpec,
    class_names,
    collect_classes,
    collect_target_specs,
    example_texts,
    missing_target,
    objective_parts,
    target_texts,
)
from factories import new_example

WHOLE = new_example(
    id="a",
    path="a.wav",
    name="a.wav",
    tags=("tone", "high"),
    tag_ids=(0, 1),
    caption="A long text. A tone is heard.",
    summary="A tone is heard.",
    labels={"sound": ("sine", "beep")},
    original_captions=("Beep.", " ", "A beep."),
)
BARE = msgspec.structs.replace(
    WHOLE, id="b", tags=(), tag_ids=(), caption=" ", summary="", labels={}, original_captions=()
)


def test_classes_are_the_tags_or_a_label_field() -> None:
    assert class_names(WHOLE, "") == ("tone", "high")
    assert class_names(WHOLE, "sound") == ("sine", "beep")
    assert class_names(WHOLE, "voice") == ()


def test_texts_are_the_captioner_s_or_those_that_came_with_the_clip() -> None:
    assert example_texts(WHOLE, "summary") == ("A tone is heard.",)
    assert example_texts(WHOLE, "caption") == ("A long text. A tone is heard.",)
    assert example_texts(WHOLE, "original") == ("Beep.", "A beep.")
    assert [example_texts(BARE, source) for source in ("summary", "caption", "original")] == [
        (),
        (),
        (),
    ]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (TagsConfig(), "no tags"),
        (TagsConfig(label="sound"), "no label sound"),
        (TagsParallelConfig(), "no tags"),
        (TagsParallelConfig(label="sound"), "no label sound"),
        (ContrastiveConfig(), "no summary text"),
        (ContrastiveConfig(text="caption"), "no caption text"),
        (CaptioningConfig(text="original"), "no original text"),
        (MultitaskConfig(), "no tags"),
        (
            MultitaskConfig(
                parts=(CaptioningConfig(text="original"), TagsConfig()), weights=(1.0, 1.0)
            ),
            "no original text",
        ),
    ],
)
def test_what_a_clip_lacks_has_a_reason(config: ObjectiveConfig, reason: str) -> None:
    assert missing_target(WHOLE, config) == ""
    assert missing_target(BARE, config) == reason


def test_a_clip_lacks_what_any_part_wants() -> None:
    config = MultitaskConfig(parts=(TagsConfig(), ContrastiveConfig()), weights=(1.0, 1.0))
    silent = msgspec.structs.replace(WHOLE, summary="")
    assert missing_target(silent, config) == "no summary text"
    assert missing_target(silent, config.parts[0]) == ""


def test_the_classes_of_tags_are_those_of_the_vocabulary(vocabulary: Vocabulary) -> None:
    classes = collect_classes([WHOLE, WHOLE, BARE], vocabulary, "")
    counts = dict(zip(classes.names, classes.counts, strict=True))
    assert classes.names == vocabulary.tags
    assert {name: count for name, count in counts.items() if count} == {"tone": 2, "high": 2}
    assert classes.clips == 3


def test_the_classes_of_a_label_are_its_values_in_a_fixed_order(vocabulary: Vocabulary) -> None:
    twice = msgspec.structs.replace(WHOLE, labels={"sound": ("sine", "sine", "hum")})
    wanted = ClassSpec(names=("beep", "hum", "sine"), counts=(1, 1, 2), clips=2)
    assert collect_classes([WHOLE, twice], vocabulary, "sound") == wanted
    assert collect_classes([twice, WHOLE], vocabulary, "sound") == wanted


def test_what_a_part_writes() -> None:
    assert target_texts(WHOLE, TagsConfig()) == ()
    assert target_texts(WHOLE, TagsParallelConfig()) == ("tone, high",)
    assert target_texts(WHOLE, TagsParallelConfig(label="sound")) == ("sine, beep",)
    assert target_texts(WHOLE, ContrastiveConfig()) == ("A tone is heard.",)
    assert target_texts(WHOLE, CaptioningConfig(text="original")) == ("Beep.", "A beep.")


def test_materials_have_an_entry_for_each_part(vocabulary: Vocabulary) -> None:
    config = MultitaskConfig(parts=(TagsConfig(), TagsConfig(label="sound")), weights=(1.0, 1.0))
    first, second = collect_target_specs([WHOLE], vocabulary, config).parts
    assert first.classes is not None
    assert second.classes is not None
    assert (first.classes.names, second.classes.names) == (vocabulary.tags, ("beep", "sine"))
    assert first.words is second.words is None
    assert objective_parts(config) == config.parts
    assert objective_parts(TagsConfig()) == (TagsConfig(),)
