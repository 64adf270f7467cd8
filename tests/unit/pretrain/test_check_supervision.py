"""A misspelt label or missing captions are told before anything is computed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from earmark.config import ConfigError
from earmark.pretrain.objectives.config import (
    CaptioningConfig,
    ContrastiveConfig,
    MultitaskConfig,
    ObjectiveConfig,
    TagsConfig,
    TagsParallelConfig,
)
from earmark.pretrain.objectives.targets import (
    check_supervision,
    count_supervision,
    needs_corpus_supervision,
)
from earmark.records import Clip, Labels
from factories import new_clip


def clip(labels: Labels, *captions: str) -> Clip:
    return new_clip(
        id="a",
        path="a.wav",
        name="a.wav",
        sample_rate=8000,
        peak_dbfs=0.0,
        labels=labels,
        original_captions=captions,
    )


LABELLED = count_supervision(
    [
        clip({"instrument": ("flute", "harp"), "domain": ("music",)}, "A flute."),
        clip({"instrument": ("flute",), "domain": ("music",), "mood": ()}),
        clip({}, " "),
    ]
)
NOTHING = count_supervision([clip({}), clip({})])


def test_what_clips_bring_is_counted() -> None:
    assert (LABELLED.clips, LABELLED.captioned) == (3, 1)
    assert LABELLED.labelled == {"instrument": 2, "domain": 2, "mood": 0}
    assert LABELLED.values == {"instrument": 2, "domain": 1, "mood": 0}


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        (TagsConfig(), False),
        (ContrastiveConfig(), False),
        (TagsConfig(label="instrument"), True),
        (TagsParallelConfig(label="instrument"), True),
        (CaptioningConfig(text="original"), True),
        (MultitaskConfig(), False),
        (MultitaskConfig(parts=(ContrastiveConfig(text="original"),), weights=(1.0,)), True),
    ],
)
def test_what_the_corpus_has_passes(config: ObjectiveConfig, wanted: bool) -> None:
    assert needs_corpus_supervision(config) == wanted
    check_supervision(config, LABELLED)
    if not wanted:
        check_supervision(config, NOTHING)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (TagsConfig(label="instruments"), "label = 'instruments'"),
        (TagsConfig(label="instruments"), "Did you mean 'instrument'?"),
        (TagsParallelConfig(label="xyz"), "Valid here: domain, instrument."),
        (TagsConfig(label="mood"), "no clip has a label of that name"),
        (TagsConfig(label="domain"), "its 2 clips all have the same value"),
        (
            MultitaskConfig(parts=(TagsConfig(), TagsConfig(label="x")), weights=(1.0, 1.0)),
            "objective.parts[1].label = 'x'",
        ),
    ],
)
def test_a_label_that_cannot_be_meant_is_told(config: ObjectiveConfig, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check_supervision(config, LABELLED)
    assert words in str(raised.value)


def test_clips_without_labels_or_captions_are_told_what_brings_them() -> None:
    with pytest.raises(ConfigError, match=r"no labels at all.*corpus\.labels"):
        check_supervision(TagsConfig(label="sound"), NOTHING)
    with pytest.raises(ConfigError, match=r"none of the 2 clips.*corpus\.captions_column"):
        check_supervision(CaptioningConfig(text="original"), NOTHING)


def test_the_check_starts_without_torch() -> None:
    program = "import sys, earmark.pretrain.objectives.targets; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
