from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.annotate.vocabulary import Vocabulary
from earmark.config import ConfigError
from earmark.pretrain.inference.load import can_label
from earmark.pretrain.inference.tagger import load_tagger
from earmark.pretrain.objectives.config import (
    CaptioningConfig,
    ContrastiveConfig,
    MultitaskConfig,
    ObjectiveConfig,
    TagsConfig,
    TagsParallelConfig,
)
from earmark.pretrain.text.config import TextModelConfig
from earmark.records import Example

Make = Callable[..., Path]
TEXT = TextModelConfig(size="mini", bpe_size=300, max_tokens=24)
CONTRASTIVE = ContrastiveConfig(model=TEXT, dim=8)
CAPTIONING = CaptioningConfig(model=TEXT)


@pytest.mark.parametrize(
    "config",
    [
        TagsConfig(),
        TagsParallelConfig(model=TEXT),
        CONTRASTIVE,
        MultitaskConfig(parts=(CAPTIONING, TagsConfig()), weights=(1.0, 1.0)),
        MultitaskConfig(parts=(CAPTIONING, CONTRASTIVE), weights=(1.0, 1.0)),
    ],
    ids=["tags", "tags-parallel", "contrastive", "multitask", "multitask zero-shot"],
)
def test_what_knows_tags_labels(
    config: ObjectiveConfig,
    make_checkpoint: Make,
    vocabulary: Vocabulary,
    make_examples: Callable[..., list[Example]],
) -> None:
    folder = make_checkpoint(config)
    assert can_label(folder)
    tagger = load_tagger(folder)
    assert tagger.tags == vocabulary.tags
    files = [clip.path for clip in make_examples(3, "test")]
    scores = tagger.probabilities(files)
    assert scores.shape == (3, len(vocabulary))
    assert (np.abs(scores) <= 1.0 + 1e-6).all()
    assert np.ptp(scores) > 0
    alone = np.concatenate([tagger.probabilities([file]) for file in files])
    np.testing.assert_allclose(scores, alone, atol=1e-5)
    (first, *_) = tagger.label(files, top=2)
    assert [score for _, score in first] == sorted((score for _, score in first), reverse=True)


def test_zero_shot_scores_are_cosines_with_the_sound_of_a_tag(
    make_checkpoint: Make, vocabulary: Vocabulary, make_examples: Callable[..., list[Example]]
) -> None:
    from earmark.pretrain.inference.search import load_audio_text_encoder

    folder = make_checkpoint(CONTRASTIVE)
    (clip,) = make_examples(1, "test")
    scores = load_tagger(folder).probabilities([clip.path])[0]
    objective = load_audio_text_encoder(folder).objective
    text = objective.embed_text([f"the sound of {tag}" for tag in vocabulary.tags]).numpy()
    (audio,) = _audio(folder, clip.path)
    np.testing.assert_allclose(scores, text @ audio, atol=1e-5)


def _audio(folder: Path, path: str) -> np.ndarray:
    from earmark.pretrain.inference.search import load_audio_text_encoder

    listener = load_audio_text_encoder(folder)
    ((_, encoded),) = listener.encoder.encode([path])
    with torch.inference_mode():
        return listener.objective.embed_audio(encoded).numpy()


def test_values_of_a_label_field_are_told_by_their_names(
    make_checkpoint: Make, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    folder = make_checkpoint(TagsConfig(label="kind"))
    tagger = load_tagger(folder)
    assert set(tagger.tags) == {"TONE", "NOISE"} or len(tagger.tags) == 2
    lock = tmp_path / "lock.json"
    vocabulary.save(lock)
    with pytest.raises(ConfigError, match="values of a label field"):
        load_tagger(folder, lock)
    mapped = load_tagger(folder, lock, mapped=True)
    assert set(mapped.tags) <= set(vocabulary.tags)
    assert len(mapped.tags) == 2
    other = tmp_path / "other.txt"
    other.write_text("nothing\nof the kind\n")
    with pytest.raises(ConfigError, match="none of the 2 labels"):
        load_tagger(folder, other, mapped=True)


def test_a_captioning_checkpoint_says_what_it_can_do(make_checkpoint: Make) -> None:
    folder = make_checkpoint(CAPTIONING)
    assert not can_label(folder)
    with pytest.raises(ConfigError, match=r"captioning and cannot label: it can embed, describe"):
        load_tagger(folder)
