"""Decoding: right samples from every format, a reason for every file that has none."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.audio import AudioError, AudioInfo, load, probe, read, resample, stream

RATE = 16000
FORMATS = {
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "wav24": {"format": "WAV", "subtype": "PCM_24"},
    "wav32f": {"format": "WAV", "subtype": "FLOAT"},
    "flac": {"format": "FLAC", "subtype": "PCM_16"},
    "aiff": {"format": "AIFF", "subtype": "PCM_16"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
}
LOSSLESS = ("wav", "wav24", "wav32f", "flac", "aiff")


def tone(seconds: float = 1.0, rate: int = RATE, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype("f4")


def written(folder: Path, wave: np.ndarray, rate: int = RATE, kind: str = "wav") -> Path:
    path = folder / f"a.{kind}"
    soundfile.write(path, wave, rate, **FORMATS[kind])
    return path


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read_at_its_own_rate(kind: str, tmp_path: Path) -> None:
    wave = np.stack([tone(), 0.5 * tone()], axis=1)
    path = written(tmp_path, wave, kind=kind)
    assert probe(path) == AudioInfo(duration_s=1.0, sample_rate=RATE, channels=2)
    samples, rate = read(path)
    assert (samples.shape, samples.dtype, rate) == ((RATE, 2), np.float32, RATE)
    if kind in LOSSLESS:
        assert np.abs(samples - wave).max() <= 2**-15
    else:
        assert abs(np.sqrt(np.mean(samples[:, 0] ** 2)) - 0.5**1.5) < 0.02


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("block_s", [0.013, 0.4, 10.0])
def test_a_stream_of_blocks_is_the_whole_file(kind: str, block_s: float, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (RATE, 2)).astype("f4")
    path = written(tmp_path, noise, kind=kind)
    blocks = list(stream(path, block_s=block_s))
    assert {len(block) for block in blocks[:-1]} <= {round(block_s * RATE)}
    # Not to the bit: the mp3 decoder rounds anew after each seek.
    np.testing.assert_allclose(np.concatenate(blocks), read(path)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_a_window_is_cut_from_the_whole(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path, np.random.default_rng(0).normal(0, 0.1, RATE), kind=kind)
    window, _ = read(path, start_s=0.25, duration_s=0.5)
    np.testing.assert_allclose(window, read(path)[0][4000:12000], rtol=0, atol=1e-6)
    assert len(read(path, start_s=0.75, duration_s=9.0)[0]) == 4000


def test_load_averages_channels_and_resamples(tmp_path: Path) -> None:
    left = tone(rate=48000)
    path = written(tmp_path, np.stack([left, 0 * left], axis=1), rate=48000, kind="wav32f")
    wave = load(path, RATE)
    assert (wave.shape, wave.dtype) == ((RATE,), np.float32)
    inner = slice(1000, -1000)
    assert np.abs(wave[inner] - 0.5 * tone()[inner]).max() < 1e-4


def test_resampling_leaves_no_alias() -> None:
    """A tone above the new Nyquist frequency must vanish, not come back mirrored."""
    high = tone(rate=44100, hertz=15000.0)
    assert np.abs(resample(high, 44100, RATE)[1000:-1000]).max() < 1e-5


def test_equal_rates_give_the_samples_untouched() -> None:
    wave = tone()
    assert resample(wave, RATE, RATE) is wave


def fault(path: Path) -> AudioError:
    """Return the error that decoding the whole file raises; `stream` and `read` must agree."""
    with pytest.raises(AudioError) as whole:
        read(path)
    with pytest.raises(AudioError) as blocks:
        list(stream(path, block_s=0.1))
    assert blocks.value.reason == whole.value.reason
    assert str(path) in str(whole.value)
    return whole.value


@pytest.mark.parametrize("name", ["note.wav", "note.mp3", "note.raw", "note.flac"])
def test_text_is_not_audio(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("This is a shopping list.\n" * 100)
    assert fault(tmp_path / name).reason == "undecodable"


def test_a_file_of_no_bytes_or_no_samples_is_empty(tmp_path: Path) -> None:
    (tmp_path / "zero.wav").touch()
    assert "no bytes" in str(fault(tmp_path / "zero.wav"))
    soundfile.write(tmp_path / "none.wav", np.zeros(0), RATE)
    assert "no samples" in str(fault(tmp_path / "none.wav"))
    assert fault(tmp_path / "none.wav").reason == fault(tmp_path / "zero.wav").reason == "empty"


@pytest.mark.parametrize("kind", ["flac", "mp3", "wav", "wav24"])
def test_a_file_cut_in_the_middle_is_truncated(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path, np.random.default_rng(0).normal(0, 0.1, RATE), kind=kind)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert fault(path).reason == "truncated"


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_from_a_pipe_is_whole_though_its_header_says_more(size: int, tmp_path: Path) -> None:
    path = written(tmp_path, tone())
    whole = bytearray(path.read_bytes())
    whole[4:8] = whole[40:44] = size.to_bytes(4, "little")
    path.write_bytes(whole)
    assert probe(path).duration_s == 1.0
    assert len(read(path)[0]) == RATE


def test_a_flac_from_a_pipe_is_told_how_to_be_mended(tmp_path: Path) -> None:
    path = written(tmp_path, tone(), kind="flac")
    whole = bytearray(path.read_bytes())
    whole[21] &= 0xF0  # the 36 bits of STREAMINFO that count samples; 0 is "unknown"
    whole[22:26] = bytes(4)
    path.write_bytes(whole)
    assert fault(path).reason == "undecodable"
    assert "encode it again" in str(fault(path))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_not_finite(value: float, tmp_path: Path) -> None:
    wave = tone()
    wave[RATE // 2] = value
    assert fault(written(tmp_path, wave, kind="wav32f")).reason == "not finite"


def test_a_window_past_the_end_is_empty(tmp_path: Path) -> None:
    path = written(tmp_path, tone())
    for start_s in (1.0, 5.0):
        with pytest.raises(AudioError, match=f"holds no samples from {start_s} s on") as caught:
            read(path, start_s=start_s, duration_s=0.5)
        assert caught.value.reason == "empty"


def test_what_is_not_a_file_is_unreadable_at_once(tmp_path: Path) -> None:
    """Opening a named pipe would wait for a writer for ever; a test that hangs here has failed."""
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "dangling.wav").symlink_to("nowhere.wav")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    names = ("folder.wav", "pipe.wav", "dangling.wav", "loop.wav", "missing.wav")
    assert {name: fault(tmp_path / name).reason for name in names} == dict.fromkeys(
        names, "unreadable"
    )
    assert fault(Path("/dev/zero")).reason == "unreadable"
    with pytest.raises(AudioError, match="null"):
        probe("a\0b.wav")


def test_a_socket_is_unreadable() -> None:
    # A short folder of its own: a socket's path may have no more than 107 bytes.
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/s.wav")
        assert fault(Path(folder) / "s.wav").reason == "unreadable"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    path = written(tmp_path, tone())
    path.chmod(0)
    assert fault(path).reason == "unreadable"


def test_odd_names_are_read(tmp_path: Path) -> None:
    for name in ("caf\u00e9 \U0001f3b5 \u6771\u4eac.wav", "x" * 251 + ".wav", "a\nb.wav", "-.wav"):
        soundfile.write(tmp_path / name, tone(), RATE)
        assert probe(tmp_path / name).duration_s == 1.0
