"""What every encoder must do, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pytest
import soundfile
import torch

from earmark.audio import AudioError
from earmark.config import ConfigError
from earmark.pretrain.build import build_encoder
from earmark.pretrain.config import SpecAugmentConfig
from earmark.pretrain.encoders.base import Augmentation, Encoder
from earmark.pretrain.encoders.config import (
    EncoderConfig,
    HuggingFaceConfig,
    TransformerConfig,
    ZipformerConfig,
    ZipformerShape,
    mel_bins_fit,
)
from earmark.pretrain.encoders.log_mel import LogMel
from earmark.pretrain.encoders.log_mel_stats import LogMelStatistics
from earmark.pretrain.encoders.transformer import Transformer
from earmark.records import AudioSpan

torch.set_num_threads(1)

# WavLM's attention mixes kinds of masks, which torch deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")

SECONDS = (0.05, 0.3, 1.0, 2.57, 4.0)
MODELS = (
    *("ast", "whisper", "clap"),
    *("wav2vec2", "wav2vec2-large", "hubert", "wavlm", "data2vec"),
)
TOLERANCE = 1e-4
BFLOAT16_TOLERANCE = 0.03
"""Relative, of pooled frames."""


TINY_ZIPFORMER = ZipformerShape(
    layers=(1, 1, 1),
    dims=(16, 24, 16),
    feed_forward_dims=(32, 48, 32),
    heads=(2, 2, 2),
    query_head_dim=8,
    value_head_dim=8,
    position_dim=16,
    kernels=(7, 7, 7),
    downsampling=(1, 2, 4),
)
OURS: dict[str, EncoderConfig] = {
    "transformer": TransformerConfig(dim=32, layers=2, heads=2),
    "transformer, patches": TransformerConfig(dim=32, layers=2, heads=2, front="patch"),
    "zipformer": ZipformerConfig(shape=TINY_ZIPFORMER),
}
ENCODERS = (*OURS, "log-mel statistics", *MODELS)


def shaken(encoder: Encoder) -> Encoder:
    """Blocks may start out adding nothing: without this no mask would be tested."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return encoder


@pytest.fixture(params=ENCODERS, scope="module")
def encoder(request: pytest.FixtureRequest, audio_model: Callable[[str], Path]) -> Encoder:
    name = request.param
    if name in OURS:
        return shaken(build_encoder(OURS[name]))
    if name in MODELS:
        return build_encoder(HuggingFaceConfig(model=str(audio_model(name))))
    return LogMelStatistics()


@pytest.fixture
def waves(encoder: Encoder) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        (rng.normal(size=int(s * encoder.sample_rate)) * rng.uniform(0.01, 0.3)).astype(np.float32)
        for s in SECONDS
    ]


def test_a_clip_alone_and_in_a_mixed_batch_agree(encoder: Encoder, waves: list[np.ndarray]) -> None:
    together = encoder.embed(waves)
    assert together.shape == (len(waves), encoder.dim)
    for vector, wave in zip(together, waves, strict=True):
        np.testing.assert_allclose(vector, encoder.embed([wave])[0], atol=TOLERANCE)
    assert len(np.unique(together.round(3), axis=0)) == len(waves)


def agree_in_bfloat16(encoder: Encoder, waves: list[np.ndarray]) -> None:
    """Both times with the same chance, if any."""
    wave = torch.zeros(len(waves), max(map(len, waves)))
    for row, samples in zip(wave, waves, strict=True):
        row[: len(samples)] = torch.from_numpy(samples)
    lengths = torch.tensor([len(samples) for samples in waves])
    pooled: list[torch.Tensor] = []
    for narrow in (False, True):
        torch.manual_seed(0)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            pooled.append(encoder(wave, lengths).pooled())
    exact, rounded = pooled
    assert rounded.isfinite().all()
    assert (rounded - exact).norm() < BFLOAT16_TOLERANCE * exact.norm()


@pytest.mark.parametrize("training", [False, True])
def test_bfloat16_rounds_and_no_more(
    encoder: Encoder, waves: list[np.ndarray], training: bool
) -> None:
    agree_in_bfloat16(encoder.train(training), waves[1:4])


@pytest.mark.parametrize("name", OURS)
def test_bfloat16_rounds_and_no_more_without_dropout(name: str) -> None:
    encoder = shaken(build_encoder(msgspec.structs.replace(OURS[name], dropout=0.0)))
    rng = np.random.default_rng(0)
    waves = [rng.normal(size=size).astype(np.float32) * 0.1 for size in (9_000, 16_000)]
    agree_in_bfloat16(encoder.train(), waves)
    frames = torch.tensor([[-23.0]]).expand(1, 80 * 60).view(1, 60, 80)
    with torch.autocast("cpu", torch.bfloat16):
        encoded = encoder.forward_features(frames, torch.tensor([60]))
    encoded.pooled().square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in encoder.parameters())


def test_what_lies_behind_a_clips_end_does_not_matter(
    encoder: Encoder, waves: list[np.ndarray]
) -> None:
    encoder.eval()
    lengths = torch.tensor([len(wave) for wave in waves])
    longest = int(lengths.max())
    batches = [torch.zeros(len(waves), longest), torch.ones(len(waves), longest + 20_000)]
    for batch in batches:
        for row, wave in zip(batch, waves, strict=True):
            row[: len(wave)] = torch.from_numpy(wave)
    with torch.inference_mode():
        first, second = (encoder(batch, lengths) for batch in batches)
    torch.testing.assert_close(first.pooled(), second.pooled(), rtol=0, atol=TOLERANCE)
    assert torch.equal(first.mask.sum(dim=1), second.mask.sum(dim=1))


def test_vectors_come_in_the_order_of_the_files(
    encoder: Encoder, waves: list[np.ndarray], tmp_path: Path
) -> None:
    files: list[Path] = []
    for number, wave in enumerate(waves):
        files.append(tmp_path / f"{number}.wav")
        soundfile.write(files[-1], wave, encoder.sample_rate, subtype="FLOAT")
    expected = encoder.embed(waves)
    backwards = encoder.embed([str(file) for file in reversed(files)])
    np.testing.assert_allclose(backwards[::-1], expected, atol=TOLERANCE)


def test_a_span_is_embedded_as_its_samples_are(
    encoder: Encoder, waves: list[np.ndarray], tmp_path: Path
) -> None:
    path, samples = tmp_path / "long.wav", np.concatenate(waves)
    rate = encoder.sample_rate
    soundfile.write(path, samples, encoder.sample_rate, subtype="FLOAT")
    starts = np.cumsum([0, *map(len, waves)])
    spans = [
        AudioSpan(str(path), start / rate, len(wave) / rate)
        for start, wave in zip(starts.tolist(), waves, strict=False)
    ]
    np.testing.assert_array_equal(encoder.embed(spans), encoder.embed(waves))
    rest = AudioSpan(str(path), start_s=int(starts[3]) / rate)
    np.testing.assert_array_equal(encoder.embed([rest]), encoder.embed([samples[starts[3] :]]))
    whole = encoder.embed([AudioSpan(str(path))])
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


@pytest.mark.parametrize("seconds", [0.0, 0.05, 60.0])
def test_any_length_works(encoder: Encoder, seconds: float) -> None:
    rng = np.random.default_rng(1)
    wave = (rng.normal(size=max(1, int(seconds * encoder.sample_rate))) * 0.1).astype(np.float32)
    assert np.isfinite(encoder.embed([wave])).all()
    silence = np.zeros_like(wave)
    assert np.isfinite(encoder.embed([silence])).all()


def test_frames_come_at_the_frame_rate(encoder: Encoder) -> None:
    encoder.eval()
    samples = 10 * encoder.sample_rate
    with torch.inference_mode():
        encoded = encoder(torch.zeros(1, samples), torch.tensor([samples]))
    expected = max(10 * encoder.frame_rate, 1)
    assert abs(int(encoded.mask.sum()) - expected) <= 2
    assert encoded.frames.shape == (*encoded.mask.shape, encoder.dim)


def test_every_parameter_is_used(encoder: Encoder, waves: list[np.ndarray]) -> None:
    encoder.train()
    encoder.zero_grad()
    # Several clips, since training may drop a part of the network for one of them.
    wave = torch.from_numpy(waves[2]).repeat(16, 1)
    augment = Augmentation(SpecAugmentConfig(), range(16))
    frames = encoder(wave, torch.full((16,), wave.shape[1]), augment).frames
    if not list(encoder.parameters()):
        return
    (frames * torch.randn(frames.shape)).sum().backward()
    for name, parameter in encoder.named_parameters():
        if not parameter.requires_grad:
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_waves_and_their_features_give_the_same_frames(
    encoder: Encoder, waves: list[np.ndarray]
) -> None:
    encoder.eval()
    wave = torch.from_numpy(waves[2])[None]
    lengths = torch.tensor([wave.shape[1]])
    with torch.inference_mode():
        features, counts = encoder.features(wave, lengths)
        # Ever more behind a row's end, of whatever sort.
        behind = torch.full((1, 300, *features.shape[2:]), 7.0)
        features = torch.cat([features, behind], dim=1)
        encoded, expected = encoder.forward_features(features, counts), encoder(wave, lengths)
    torch.testing.assert_close(encoded.pooled(), expected.pooled(), rtol=0, atol=TOLERANCE)
    assert int(encoded.mask.sum()) == int(expected.mask.sum())


@pytest.mark.parametrize(("size", "millions"), [("mini", 5.0), ("S", 21.6), ("B", 85.7)])
def test_transformers_come_in_sizes(size: Literal["mini", "S", "B"], millions: float) -> None:
    encoder = Transformer(TransformerConfig(size=size))
    count = sum(parameter.numel() for parameter in encoder.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.1)
    narrow = TransformerConfig(size=size, dim=48, layers=1, heads=3)
    assert tuple(narrow.shape) == (48, 1, 3)


def test_patches_tile_the_mel_bins() -> None:
    with pytest.raises(ConfigError, match=r"mel_bins = 70 cannot be cut.* 64"):
        TransformerConfig(front="patch", mel_bins=70)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"dims": ()}, r"dims = \[\]: expected at least 1 value"),
        ({"layers": (1, 1)}, r"layers = \[1, 1\] has 2 numbers, but .* has 3"),
        ({"heads": (2, 0, 2)}, r"heads\[1\] = 0: expected a value >= 1"),
        ({"kernels": (7, 6, 7)}, r"kernels = \[7, 6, 7\]: 6 is even.* give 7"),
        ({"position_dim": 15}, "position_dim = 15 should be even.* give 16"),
        ({"stem_channels": (8, 0, 8)}, r"stem_channels\[1\] = 0: expected a value >= 1"),
        ({"output_downsampling": 0}, "output_downsampling = 0: expected a value >= 1"),
    ],
)
def test_shapes_that_no_zipformer_has_are_told(given: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        ZipformerShape(**msgspec.structs.asdict(TINY_ZIPFORMER) | given)


@pytest.mark.parametrize("config", [TransformerConfig, ZipformerConfig])
def test_settings_out_of_range_are_told(
    config: type[TransformerConfig] | type[ZipformerConfig],
) -> None:
    with pytest.raises(ConfigError, match=r"dropout = 1\.5: expected a value >= 0 and <= 1"):
        config(dropout=1.5)
    with pytest.raises(ConfigError, match="sample_rate = 800: expected a value >= 1000"):
        config(sample_rate=800)
    with pytest.raises(ConfigError, match="mel_bins = 0: expected a value >= "):
        config(mel_bins=0)
    with pytest.raises(ConfigError, match=r"mel_bins = 500 are too many .* Give at most \d+"):
        config(mel_bins=500)


@pytest.mark.parametrize("rate", [1000, 8000, 16000, 22050, 48000])
def test_as_many_mel_bins_fit_as_can_be_built(rate: int) -> None:
    def built(bins: int) -> bool:
        try:
            LogMel(rate, bins)
        except ValueError:
            return False
        return True

    counts = [1, 7, 16, 24, *range(30, 200, 5)]
    assert [mel_bins_fit(rate, bins) for bins in counts] == [built(bins) for bins in counts]


def test_what_is_no_wave_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    for wave in (np.zeros(0, np.float32), np.array([0.1, np.nan], np.float32)):
        with pytest.raises(ValueError, match="row of finite samples"):
            encoder.embed([wave])
    text = tmp_path / "text.wav"
    text.write_text("not audio")
    with pytest.raises(AudioError):
        encoder.embed([text])
