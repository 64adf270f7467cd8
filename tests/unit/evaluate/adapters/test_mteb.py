from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from earmark import load_encoder
from earmark.audio import resample
from earmark.config import ConfigError
from earmark.evaluate.adapters.mteb import MtebEncoder, to_mono_wave
from earmark.pretrain.inference.search import load_audio_text_encoder
from earmark.pretrain.objectives.config import ContrastiveConfig

RATE = 16000
Make = Callable[..., Path]
Clips = Callable[..., tuple[list[np.ndarray], list[int]]]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_vectors_are_those_of_the_encoder(make_checkpoint: Make, clips: Clips, mteb: Any) -> None:
    folder = make_checkpoint()
    encoder = MtebEncoder(folder)
    assert isinstance(encoder, mteb.models.EncoderProtocol)
    waves, _ = clips(6)
    batches = [batch_of(waves[:4], RATE), batch_of(waves[4:], RATE)]
    vectors = encoder.encode(batches)
    np.testing.assert_allclose(vectors, load_encoder(folder).embed(waves), atol=1e-5)
    meta = encoder.mteb_model_meta
    assert meta.name == f"earmark/{folder.name}"
    assert (meta.embed_dim, meta.modalities) == (16, ["audio"])
    other = MtebEncoder(make_checkpoint(seed=1), name="mine/other").mteb_model_meta
    assert other.name == "mine/other"
    assert other.revision != meta.revision == MtebEncoder(folder).mteb_model_meta.revision


def test_the_shared_space_holds_texts_too(
    make_checkpoint: Make, clips: Clips, contrastive: ContrastiveConfig, mteb: Any
) -> None:
    folder = make_checkpoint(contrastive)
    encoder, listener = MtebEncoder(folder, space="shared"), load_audio_text_encoder(folder)
    texts = ["a tone", "a noise that goes on"]
    vectors = encoder.encode([{"text": texts}])
    np.testing.assert_allclose(vectors, listener.objective.embed_text(texts).numpy(), atol=1e-6)
    heard = encoder.encode([batch_of(clips(3)[0], RATE)])
    cosines = encoder.similarity(heard, vectors)
    np.testing.assert_allclose(cosines.numpy(), heard @ vectors.T, atol=1e-5)
    pairs = encoder.similarity_pairwise(heard[:2], torch.from_numpy(vectors))
    np.testing.assert_allclose(pairs.numpy(), np.diag(cosines.numpy()), atol=1e-6)
    assert encoder.mteb_model_meta.modalities == ["audio", "text"]
    assert encoder.mteb_model_meta.name.endswith("-shared")


def test_a_classification_task_of_the_harness_runs(
    make_checkpoint: Make, clips: Clips, mteb: Any
) -> None:
    class Tones(import_module("mteb.abstasks").AbsTaskClassification):
        metadata = about(mteb, "Tones", "AudioClassification", "a2c", ["audio"])
        input_column_name = "audio"
        n_experiments = 2

    task = Tones()
    task.dataset = {"train": rows_of(*clips(24)), "test": rows_of(*clips(20))}
    task.data_loaded = True
    result = mteb.evaluate(MtebEncoder(make_checkpoint()), task, **QUIETLY)
    assert result.task_results[0].get_score() >= 0.9


def test_a_zero_shot_task_of_the_harness_runs(
    make_checkpoint: Make, clips: Clips, contrastive: ContrastiveConfig, mteb: Any
) -> None:
    names = ["a tone", "a noise"]

    class Named(import_module("mteb.abstasks").AbsTaskZeroShotClassification):
        metadata = about(mteb, "Named", "AudioZeroshotClassification", "a2t", ["audio", "text"])
        input_column_name = "audio"

        def get_candidate_labels(self) -> list[str]:
            return names

    task, (waves, labels) = Named(), clips(20)
    task.dataset = {"test": rows_of(waves, labels)}
    task.data_loaded = True
    encoder = MtebEncoder(make_checkpoint(contrastive), space="shared")
    result = mteb.evaluate(encoder, task, **QUIETLY)
    heard, texts = encoder.encode([batch_of(waves, RATE)]), encoder.encode([{"text": names}])
    expected = np.mean((heard @ texts.T).argmax(axis=1) == labels)
    assert result.task_results[0].get_score() == pytest.approx(expected)


def test_any_rate_and_any_channels_become_a_mono_wave() -> None:
    wave = np.sin(np.arange(8000) / 20)
    item = {"array": np.stack([wave, 0 * wave]), "sampling_rate": 8000}
    expected = resample((wave / 2).astype(np.float32), 8000, RATE)
    np.testing.assert_allclose(to_mono_wave(item, RATE), expected, atol=1e-6)
    for array in (np.zeros(0), np.zeros((1, 1, 5))):
        with pytest.raises(ValueError, match=r"\[channels, samples\]"):
            to_mono_wave({"array": array, "sampling_rate": RATE}, RATE)


def test_what_cannot_be_encoded_is_told(make_checkpoint: Make, clips: Clips, mteb: Any) -> None:
    encoder = MtebEncoder(make_checkpoint())
    with pytest.raises(ValueError, match='space="shared"'):
        encoder.encode([{"text": ["a tone"]}])
    with pytest.raises(ValueError, match="this one has audio, text"):
        encoder.encode([batch_of(clips(1)[0], RATE) | {"text": ["a tone"]}])
    with pytest.raises(ConfigError, match="cannot search"):
        MtebEncoder(make_checkpoint(), space="shared")
    assert encoder.encode([]).shape == (0, 16)


QUIETLY: dict[str, Any] = {"cache": None, "show_progress_bar": False, "co2_tracker": False}


@pytest.fixture
def mteb() -> Any:
    pytest.importorskip("mteb", reason="MTEB is not here")
    return import_module("mteb")


def about(mteb: Any, name: str, kind: str, category: str, modalities: list[str]) -> Any:
    return import_module("mteb.abstasks.task_metadata").TaskMetadata(
        name=name,
        description="Tones and noises.",
        dataset={"path": "made/here", "revision": "1"},
        type=kind,
        category=category,
        modalities=modalities,
        eval_splits=["test"],
        eval_langs=["zxx-Zxxx"],
        main_score="accuracy",
    )


def batch_of(waves: list[np.ndarray], rate: int) -> dict[str, Any]:
    return {"audio": [{"array": wave, "sampling_rate": rate} for wave in waves]}


def rows_of(waves: list[np.ndarray], labels: list[int]) -> Any:
    rows = {"audio": batch_of(waves, RATE)["audio"], "label": labels}
    return import_module("datasets").Dataset.from_dict(rows).with_format("numpy")
