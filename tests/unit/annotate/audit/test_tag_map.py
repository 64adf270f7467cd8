from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import pytest
from jaxtyping import Float32

from earmark.annotate.audit.run import compute_tag_map
from earmark.annotate.vocabulary import Vocabulary, VocabularyConfig, VocabularyEntry
from earmark.config import ConfigError


class Scattered:
    """A vector of its own for each text, near those that end alike."""

    def embed(self, texts: Sequence[str]) -> Float32[np.ndarray, "texts dim"]:
        rows = [_near(text.split()[-1]) for text in texts]
        vectors = np.array(rows, dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _near(word: str) -> list[float]:
    centre = np.random.default_rng(zlib.crc32(word[-1].encode())).normal(size=8)
    own = np.random.default_rng(zlib.crc32(word.encode())).normal(size=8)
    return (centre + 0.1 * own).tolist()


def vocabulary(tags: Sequence[str]) -> Vocabulary:
    entries = tuple(
        VocabularyEntry(rank=rank, tag=tag, df=100 - rank, score=1.0, domain="music")
        for rank, tag in enumerate(tags, start=1)
    )
    return Vocabulary(entries, 100, VocabularyConfig())


def test_tags_and_classes_lie_near_what_is_alike() -> None:
    pytest.importorskip("openTSNE")
    tags = [f"tag{number}{end}" for end in "ab" for number in range(15)]
    points = compute_tag_map(vocabulary(tags), ["Classa, other", "Classb"], Scattered(), seed=0)
    assert [(p.kind, p.df, p.domain) for p in points[-3:]] == [
        ("tag", 70, "music"),
        *[("class", 0, "")] * 2,
    ]
    places = {p.name: np.array([p.x, p.y]) for p in points}
    centres = {end: np.mean([places[t] for t in tags if t.endswith(end)], axis=0) for end in "ab"}
    own, other = (np.linalg.norm(places["Classa, other"] - centres[end]) for end in "ab")
    assert own < other
    assert points == compute_tag_map(
        vocabulary(tags), ["Classa, other", "Classb"], Scattered(), seed=0
    )


def test_too_few_points_for_a_map() -> None:
    with pytest.raises(ConfigError, match="needs 10 points"):
        compute_tag_map(vocabulary(["dog", "cat"]), ["Rain"], Scattered(), seed=0)
