from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from earmark import load_encoder
from earmark.config import ConfigError
from earmark.evaluate.adapters import hear
from earmark.pretrain.build import build_encoder
from earmark.pretrain.encoders.config import TransformerConfig, ZipformerConfig
from earmark.pretrain.encoders.log_mel_stats import LogMelStatistics

RATE = 16000
Make = Callable[..., Path]


@pytest.mark.filterwarnings("ignore:We suggest a interval")
def test_the_harness_s_own_validator_finds_nothing(
    make_checkpoint: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The validator asks TensorFlow only whether the model is one of its modules.
    tensorflow = ModuleType("tensorflow")
    vars(tensorflow)["Module"] = type("Module", (), {})
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    validate = pytest.importorskip("hearvalidator.validate", reason="hearvalidator is not here")
    validate.ValidateModel(hear.__name__, str(make_checkpoint()), device="cpu")()


def test_vectors_are_those_of_the_encoder(make_checkpoint: Make) -> None:
    folder = make_checkpoint()
    model = hear.load_model(str(folder))
    wave = 0.1 * torch.randn(3, RATE, generator=torch.Generator().manual_seed(0))
    scenes = hear.get_scene_embeddings(wave, model)
    expected = load_encoder(folder).embed([row.numpy() for row in wave])
    np.testing.assert_allclose(scenes.numpy(), expected, atol=1e-5)
    frames, times = hear.get_timestamp_embeddings(wave, model)
    assert frames.shape == (*times.shape, model.timestamp_embedding_size)
    np.testing.assert_allclose(frames.mean(dim=1).numpy(), expected, atol=1e-5)
    assert not scenes.requires_grad
    assert not frames.requires_grad


@pytest.mark.parametrize("name", ["transformer", "zipformer"])
def test_a_click_changes_most_the_frame_at_its_time(name: str) -> None:
    torch.set_num_threads(1)
    config = (
        TransformerConfig(mel_bins=24, dim=16, layers=1, heads=2, stem_channels=(4, 8))
        if name == "transformer"
        else ZipformerConfig()
    )
    model = hear.HearModel(build_encoder(config, seed=0))
    for click_s in (0.5, 1.03, 1.6):
        wave = 0.01 * torch.randn(1, 2 * RATE, generator=torch.Generator().manual_seed(0))
        quiet, times = hear.get_timestamp_embeddings(wave, model)
        wave[0, round(click_s * RATE)] = 1.0
        loud, _ = hear.get_timestamp_embeddings(wave, model)
        change = (loud - quiet).norm(dim=-1)[0]
        hop_ms = 1000 / model.encoder.frame_rate
        assert abs(float(times[0, change.argmax()]) - 1000 * click_s) <= hop_ms


def test_one_frame_a_clip_becomes_one_a_second() -> None:
    encoder = LogMelStatistics()
    model = hear.HearModel(encoder)
    wave = 0.1 * torch.randn(2, round(2.2 * RATE), generator=torch.Generator().manual_seed(0))
    frames, times = hear.get_timestamp_embeddings(wave, model)
    np.testing.assert_allclose(times.numpy(), [[500.0, 1500.0, 2500.0]] * 2)
    parts = [wave[1, :RATE], wave[1, RATE : 2 * RATE], wave[1, 2 * RATE :]]
    expected = encoder.embed([part.numpy() for part in parts])
    np.testing.assert_allclose(frames[1].numpy(), expected, atol=1e-4)
    whole = encoder.embed([row.numpy() for row in wave])
    np.testing.assert_allclose(hear.get_scene_embeddings(wave, model).numpy(), whole, atol=1e-5)


def test_a_scene_task_through_the_api(
    make_checkpoint: Make, clips: Callable[..., tuple[list[np.ndarray], list[int]]]
) -> None:
    """A linear probe on scene embeddings, a sound at a time, as HEAR's scene tasks are."""
    model = hear.load_model(str(make_checkpoint()))
    waves, labels = clips(32)
    sounds = [torch.from_numpy(wave[None]) for wave in waves]
    features = np.concatenate([hear.get_scene_embeddings(one, model) for one in sounds])
    probe = LogisticRegression(max_iter=1000).fit(features[:16], labels[:16])
    assert probe.score(features[16:], labels[16:]) >= 0.9


def test_what_cannot_be_had_is_told(make_checkpoint: Make) -> None:
    with pytest.raises(ConfigError, match="no model_file_path"):
        hear.load_model()
    with pytest.raises(ConfigError, match=r"16000, 22050.*listens at 8000 Hz"):
        hear.load_model(str(make_checkpoint(sample_rate=8000)))
    model = hear.HearModel(LogMelStatistics())
    for wave in (torch.zeros(2, 0), torch.full((1, 100), torch.nan)):
        with pytest.raises(ValueError, match="finite numbers"):
            hear.get_scene_embeddings(wave, model)
