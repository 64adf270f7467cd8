from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.pretrain.config import SpecAugmentConfig
from earmark.pretrain.features import LogMel, spec_augment


def reference(wave: np.ndarray, rate: int, bins: int) -> np.ndarray:
    """Kaldi's log-mel frame by frame and filter by filter, in double precision."""
    width, shift, size = round(0.025 * rate), round(0.01 * rate), 1
    while size < width:
        size *= 2
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / (width - 1))) ** 0.85
    mel = lambda hz: 1127 * np.log(1 + hz / 700)  # noqa: E731
    edges = np.linspace(mel(20.0), mel(rate / 2 - 400), bins + 2)
    rows = []
    for frame in range((len(wave) + shift // 2) // shift):
        start = frame * shift + shift // 2 - width // 2
        samples = np.zeros(width)
        for offset in range(width):
            place = start + offset
            while not 0 <= place < len(wave):
                place = -place - 1 if place < 0 else 2 * len(wave) - 1 - place
            samples[offset] = wave[place]
        samples -= samples.mean()
        samples[1:] -= 0.97 * samples[:-1]
        samples[0] -= 0.97 * samples[0]
        power = np.abs(np.fft.rfft(samples * window, size)) ** 2
        row = []
        for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
            energy = 0.0
            for band in range(size // 2):
                place = mel(band * rate / size)
                if low < place < high:
                    rising = (place - low) / (middle - low)
                    energy += power[band] * min(rising, (high - place) / (high - middle))
            row.append(np.log(max(energy, np.finfo(np.float32).eps)))
        rows.append(row)
    return np.array(rows)


def one(log_mel: LogMel, wave: np.ndarray) -> np.ndarray:
    frames, lengths = log_mel(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))
    assert lengths.tolist() == [frames.shape[1]]
    return frames[0].numpy()


@pytest.mark.parametrize(("rate", "bins"), [(16000, 80), (8000, 40)])
def test_log_mel_agrees_with_a_double_precision_reference(rate: int, bins: int) -> None:
    rng = np.random.default_rng(7)
    wave = rng.normal(size=int(0.3 * rate)).cumsum().astype(np.float32)
    wave /= np.abs(wave).max()
    np.testing.assert_allclose(
        one(LogMel(rate, bins), wave), reference(wave, rate, bins), atol=1e-3
    )


def test_log_mel_agrees_with_the_authors_front_end() -> None:
    pack = os.environ.get("EARMARK_PACK")
    folder = os.environ.get("EARMARK_PARITY") or (pack and Path(pack).parent / "parity")
    if not folder or not (Path(folder) / "frontend.safetensors").exists():
        pytest.skip("no parity fixtures: set EARMARK_PARITY to their folder")
    from safetensors.numpy import load_file

    tensors = load_file(Path(folder) / "frontend.safetensors")
    log_mel = LogMel(16000, 80)
    for clip in range(3):
        wave = tensors[f"wave{clip}"].reshape(-1).astype(np.float32) / 32768
        assert np.abs(one(log_mel, wave) - tensors[f"fbank{clip}"]).max() < 1e-3


def test_padding_changes_no_frame_of_a_clip() -> None:
    rng = np.random.default_rng(0)
    waves = [rng.normal(size=n).astype(np.float32) * 0.1 for n in (1, 79, 803, 4000, 16000)]
    batch = torch.full((len(waves), 16000), 0.5)
    for row, wave in zip(batch, waves, strict=True):
        row[: len(wave)] = torch.from_numpy(wave)
    log_mel = LogMel(16000, 80)
    together, lengths = log_mel(batch, torch.tensor([len(wave) for wave in waves]))
    assert lengths.tolist() == [1, 1, 5, 25, 100]
    for row, length, wave in zip(together, lengths, waves, strict=True):
        np.testing.assert_allclose(row[:length].numpy(), one(log_mel, wave), atol=1e-4)


def test_log_mel_stays_float32_under_autocast() -> None:
    wave, lengths = torch.randn(1, 4000), torch.tensor([4000])
    log_mel = LogMel(16000, 80)
    plain, _ = log_mel(wave, lengths)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow, _ = log_mel(wave.bfloat16().float(), lengths)
        same, _ = log_mel(wave, lengths)
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(same, plain, rtol=0, atol=0)


def test_too_many_bins_are_refused_with_the_fix() -> None:
    with pytest.raises(ValueError, match="Use fewer mel_bins"):
        LogMel(16000, 128)


def test_masks_depend_on_seed_and_length_alone() -> None:
    features = torch.ones(2, 300, 80)
    both = spec_augment(features, torch.tensor([300, 40]), SpecAugmentConfig(probability=1), [5, 6])
    alone = spec_augment(features[1:], torch.tensor([40]), SpecAugmentConfig(probability=1), [6])
    torch.testing.assert_close(both[1], alone[0])
    other = spec_augment(features[1:], torch.tensor([40]), SpecAugmentConfig(probability=1), [7])
    assert not torch.equal(alone, other)
    assert torch.equal(features, torch.ones(2, 300, 80))


@pytest.mark.parametrize("frames", [1, 2, 10, 500])
def test_time_masks_leave_most_of_a_clip_however_short(frames: int) -> None:
    config = SpecAugmentConfig(probability=1.0, mel_masks=0, time_share=0.15)
    hidden = 0
    for seed in range(50):
        masked = spec_augment(torch.ones(1, frames, 8), torch.tensor([frames]), config, [seed])
        share = float((masked == 0).all(dim=2).float().mean())
        assert share <= 0.15
        hidden += share > 0
    assert hidden > 0 or frames < 100


def test_probability_zero_masks_nothing() -> None:
    features = torch.randn(3, 50, 8)
    masked = spec_augment(
        features, torch.tensor([50, 50, 50]), SpecAugmentConfig(probability=0.0), [1, 2, 3]
    )
    torch.testing.assert_close(masked, features, rtol=0, atol=0)
