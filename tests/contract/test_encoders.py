"""What every encoder must do, whatever it is made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from earmark.audio import AudioError
from earmark.pretrain.build import build_encoder
from earmark.pretrain.config import SpecAugmentConfig, TransformerConfig
from earmark.pretrain.encoders.base import Augment, Encoder
from earmark.pretrain.encoders.statistics import LogMelStatistics
from earmark.records import Span

RATE = 16000
SECONDS = (0.05, 0.3, 1.0, 2.57, 7.0)


def transformer() -> Encoder:
    encoder = build_encoder(TransformerConfig(dim=32, layers=2, heads=2))
    # Blocks start out adding nothing: without this no mask would be tested.
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return encoder


ENCODERS = {"transformer": transformer, "log-mel statistics": LogMelStatistics}


@pytest.fixture(params=ENCODERS)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return ENCODERS[request.param]()


@pytest.fixture(scope="module")
def waves() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        (rng.normal(size=int(s * RATE)) * rng.uniform(0.01, 0.3)).astype(np.float32)
        for s in SECONDS
    ]


def test_a_clip_alone_and_in_a_mixed_batch_agree(encoder: Encoder, waves: list[np.ndarray]) -> None:
    together = encoder.embed(waves)
    assert together.shape == (len(waves), encoder.dim)
    for vector, wave in zip(together, waves, strict=True):
        np.testing.assert_allclose(vector, encoder.embed([wave])[0], atol=1e-5)
    assert len(np.unique(together.round(3), axis=0)) == len(waves)


def test_what_lies_behind_a_clips_end_does_not_matter(
    encoder: Encoder, waves: list[np.ndarray]
) -> None:
    encoder.eval()
    lengths = torch.tensor([len(wave) for wave in waves])
    batches = [torch.zeros(len(waves), int(lengths.max())), torch.ones(len(waves), 200_000)]
    for batch in batches:
        for row, wave in zip(batch, waves, strict=True):
            row[: len(wave)] = torch.from_numpy(wave)
    with torch.inference_mode():
        first, second = (encoder(batch, lengths) for batch in batches)
    torch.testing.assert_close(first.pooled(), second.pooled(), rtol=0, atol=1e-5)
    assert torch.equal(first.mask.sum(dim=1), second.mask.sum(dim=1))


def test_vectors_come_in_the_order_of_the_files(
    encoder: Encoder, waves: list[np.ndarray], tmp_path: Path
) -> None:
    files: list[Path] = []
    for number, wave in enumerate(waves):
        files.append(tmp_path / f"{number}.wav")
        soundfile.write(files[-1], wave, RATE, subtype="FLOAT")
    expected = encoder.embed(waves)
    backwards = encoder.embed([str(file) for file in reversed(files)])
    np.testing.assert_allclose(backwards[::-1], expected, atol=1e-5)


def test_a_span_is_embedded_as_its_samples_are(
    encoder: Encoder, waves: list[np.ndarray], tmp_path: Path
) -> None:
    path, samples = tmp_path / "long.wav", np.concatenate(waves)
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    starts = np.cumsum([0, *map(len, waves)])
    spans = [
        Span(str(path), start / RATE, len(wave) / RATE)
        for start, wave in zip(starts.tolist(), waves, strict=False)
    ]
    np.testing.assert_array_equal(encoder.embed(spans), encoder.embed(waves))
    rest = Span(str(path), start_s=int(starts[3]) / RATE)
    np.testing.assert_array_equal(encoder.embed([rest]), encoder.embed([samples[starts[3] :]]))
    whole = encoder.embed([Span(str(path))])
    np.testing.assert_array_equal(whole, encoder.embed([path]))


def test_embedding_is_deterministic_and_leaves_the_mode_alone(
    encoder: Encoder, waves: list[np.ndarray]
) -> None:
    encoder.train()
    first, second = encoder.embed(waves), encoder.embed(waves)
    np.testing.assert_array_equal(first, second)
    assert encoder.training
    assert first.dtype == np.float32
    assert encoder.embed([]).shape == (0, encoder.dim)


@pytest.mark.parametrize("seconds", [1 / RATE, 0.05, 60.0])
def test_any_length_works(encoder: Encoder, seconds: float) -> None:
    rng = np.random.default_rng(1)
    wave = (rng.normal(size=max(1, int(seconds * RATE))) * 0.1).astype(np.float32)
    assert np.isfinite(encoder.embed([wave])).all()
    silence = np.zeros_like(wave)
    assert np.isfinite(encoder.embed([silence])).all()


def test_frames_come_at_the_frame_rate(encoder: Encoder) -> None:
    encoder.eval()
    with torch.inference_mode():
        encoded = encoder(torch.zeros(1, 10 * RATE), torch.tensor([10 * RATE]))
    expected = max(10 * encoder.frame_rate, 1)
    assert abs(int(encoded.mask.sum()) - expected) <= 1
    assert encoded.frames.shape == (*encoded.mask.shape, encoder.dim)


def test_every_parameter_is_used(encoder: Encoder, waves: list[np.ndarray]) -> None:
    encoder.train()
    wave = torch.from_numpy(waves[2])[None]
    augment = Augment(SpecAugmentConfig(), [1])
    frames = encoder(wave, torch.tensor([wave.shape[1]]), augment).frames
    if not list(encoder.parameters()):
        return
    (frames * torch.randn(frames.shape)).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_what_is_no_wave_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    for wave in (np.zeros(0, np.float32), np.array([0.1, np.nan], np.float32)):
        with pytest.raises(ValueError, match="row of finite samples"):
            encoder.embed([wave])
    text = tmp_path / "text.wav"
    text.write_text("not audio")
    with pytest.raises(AudioError):
        encoder.embed([text])
