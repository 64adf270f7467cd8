"""A small corpus to pre-train on: pure tones and noises of unequal length."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.annotate.vocabulary import Vocabulary, VocabularyConfig
from earmark.annotate.vocabulary.build import build_vocabulary
from earmark.pretrain.encoders.config import TransformerConfig
from earmark.records import Example
from factories import new_example

RATE = 8000


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    sets = [["tone", "high"], ["tone", "low"], ["noise"], ["noise", "quiet"], ["quiet", "high"]]
    return build_vocabulary(sets, VocabularyConfig(size=10, min_df=1))


@pytest.fixture(scope="session")
def tiny_encoder() -> TransformerConfig:
    return TransformerConfig(
        sample_rate=RATE, mel_bins=24, dim=16, layers=1, heads=2, stem_channels=(4, 8)
    )


@pytest.fixture
def make_examples(tmp_path: Path, vocabulary: Vocabulary) -> Callable[..., list[Example]]:
    """Return a function that writes clips: (count, split) -> examples, tones and noises in turn."""
    return _maker(tmp_path, vocabulary)


@pytest.fixture(scope="module")
def make_corpus(
    tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary
) -> Callable[..., list[Example]]:
    """Return the same, of clips that stay for all tests of a module."""
    return _maker(tmp_path_factory.mktemp("corpus"), vocabulary)


def _maker(folder: Path, vocabulary: Vocabulary) -> Callable[..., list[Example]]:
    def make(count: int, split: str = "train") -> list[Example]:
        rng = np.random.default_rng(len(split))
        examples: list[Example] = []
        for number in range(count):
            seconds = float(rng.uniform(0.3, 1.2))
            time_s = np.arange(int(seconds * RATE)) / RATE
            wave, tags = (
                (np.sin(2 * np.pi * 1000 * time_s) * 0.3, ["tone", "high"])
                if number % 2
                else (rng.normal(size=len(time_s)) * 0.1, ["noise", "quiet"])
            )
            path = folder / f"{split}-{number}.wav"
            soundfile.write(path, wave.astype(np.float32), RATE)
            kept, ids = vocabulary.encode(tags)
            examples.append(
                new_example(
                    id=f"{split}-{number}",
                    path=str(path),
                    name=path.name,
                    duration_s=len(time_s) / RATE,
                    split=split,
                    tags=kept,
                    tag_ids=ids,
                )
            )
        return examples

    return make
