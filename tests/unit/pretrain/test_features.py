from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from earmark.pretrain.encoders.log_mel import FRAMES_PER_CPU_BLOCK, LogMel


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


@pytest.mark.parametrize("level", [0.0, 0.7])
def test_a_constant_does_not_drown_what_is_quiet(level: float) -> None:
    wave = np.random.default_rng(2).normal(level, 1e-3, 4000).astype(np.float32)
    np.testing.assert_allclose(
        one(LogMel(16000, 80), wave), reference(wave.astype(np.float64), 16000, 80), atol=2e-3
    )


@pytest.mark.parametrize("samples", [160, 1000, 16001])
def test_log_mel_agrees_with_kaldi(samples: int) -> None:
    kaldi = pytest.importorskip("kaldi_native_fbank")
    options = kaldi.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = 80
    options.mel_opts.high_freq = -400.0
    wave = np.random.default_rng(samples).normal(0.0, 0.1, samples).astype(np.float32)
    extractor = kaldi.OnlineFbank(options)
    extractor.accept_waveform(16000, wave.tolist())
    extractor.input_finished()
    frames = [extractor.get_frame(frame) for frame in range(extractor.num_frames_ready)]
    np.testing.assert_allclose(one(LogMel(16000, 80), wave), np.stack(frames), atol=1e-3)


@pytest.fixture(scope="module")
def parity() -> dict[str, np.ndarray]:
    """Waves and their frames, as the paper's authors train on."""
    pack = os.environ.get("EARMARK_PACK")
    folder = os.environ.get("EARMARK_PARITY") or (pack and Path(pack).parent / "parity")
    if not folder or not (Path(folder) / "frontend.safetensors").exists():
        pytest.skip("no parity fixtures: set EARMARK_PARITY to their folder")
    return load_file(Path(folder) / "frontend.safetensors")


@pytest.mark.parametrize("clip", range(3))
def test_log_mel_agrees_with_the_authors_front_end(
    clip: int, parity: dict[str, np.ndarray]
) -> None:
    wave = parity[f"wave{clip}"].reshape(-1).astype(np.float32) / 32768
    assert np.abs(one(LogMel(16000, 80), wave) - parity[f"fbank{clip}"]).max() < 1e-3


def test_clips_that_are_worked_on_apart_and_together_agree() -> None:
    count, log_mel = 5, LogMel(16000, 80)
    wave = torch.randn(
        count, 160 * (FRAMES_PER_CPU_BLOCK // 2), generator=torch.Generator().manual_seed(0)
    )
    lengths = torch.full((count,), wave.shape[1])
    together, _ = log_mel(wave, lengths)
    apart = torch.cat([log_mel(row[None], lengths[:1])[0] for row in wave])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-4)


def test_padding_changes_no_frame_of_a_clip() -> None:
    rng = np.random.default_rng(0)
    waves = [rng.normal(size=n).astype(np.float32) * 0.1 for n in (1, 79, 803, 4000, 16000)]
    batch = torch.full((len(waves), 16000), torch.nan)
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
