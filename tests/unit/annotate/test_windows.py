"""Windows: cuts fall into pauses and cover the file; no window is too long or too short."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.loudness import measure_level
from earmark.annotate.segment import (
    Window,
    clip_from_window,
    find_quiet_cuts,
    hop_power,
    segment_file,
    split_stream,
    window_name,
)
from earmark.audio import probe
from earmark.records import AudioSpan, Clip, audio_span

RATE = 8000


def bursts(pauses_s: list[tuple[float, float]], duration_s: float, rate: int = RATE) -> np.ndarray:
    """Return a tone with noise that is 40 dB softer in the pauses."""
    time_s = np.arange(round(duration_s * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * 300 * time_s)
    wave += 0.05 * np.random.default_rng(0).normal(size=len(wave))
    for start_s, end_s in pauses_s:
        wave[round(start_s * rate) : round(end_s * rate)] *= 0.01
    return wave.astype(np.float32)


PAUSES = [(3.0, 3.3), (7.1, 7.5), (8.6, 8.9), (14.0, 14.4), (19.3, 19.6)]


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (11025, 2), (44100, 1)])
def test_cuts_fall_into_pauses(tmp_path: Path, rate: int, channels: int) -> None:
    wave = bursts(PAUSES, 25.0, rate)
    path = tmp_path / "file.flac"
    soundfile.write(path, np.stack([wave] * channels, axis=1), rate)
    windows = segment_file(str(path), probe(path), 10.0)
    starts_s = [window.start / rate for window in windows]
    assert len(starts_s) == 4
    for start_s in starts_s[1:]:
        assert any(a + 0.08 <= start_s <= b - 0.08 for a, b in PAUSES), "100 ms on either side"
    assert windows == segment_file(str(path), probe(path), 10.0)


def test_windows_cover_the_file_and_have_levels_of_their_own(tmp_path: Path) -> None:
    wave = bursts(PAUSES, 25.0)
    wave[: 10 * RATE] *= 0.1
    path = tmp_path / "file.wav"
    soundfile.write(path, wave, RATE, subtype="FLOAT")
    windows = segment_file(str(path), probe(path), 10.0)
    assert windows[0].start == 0
    for before, after in pairwise(windows):
        assert before.start + before.samples == after.start
    assert windows[-1].start + windows[-1].samples == len(wave)
    for window in windows:
        alone = wave[window.start : window.start + window.samples, None]
        level = measure_level([alone], RATE)
        assert window.peak_dbfs == level.peak_dbfs
        assert window.loudness_lufs == pytest.approx(level.loudness_lufs, abs=1e-9)
    assert windows[0].loudness_lufs < windows[1].loudness_lufs - 15


POWER = st.lists(st.sampled_from([0.0, 0.1, 1.0]) | st.floats(0, 1), max_size=300)


@given(POWER, st.integers(1, 7), st.integers(0, 6), st.integers(18, 40), st.integers(0, 6))
def test_no_window_is_too_long_or_too_short(
    power: list[float], hop: int, tail: int, longest_hops: int, more: int
) -> None:
    samples = len(power) * hop + min(tail, hop - 1)
    longest = longest_hops * hop + min(more, hop - 1)
    cuts = find_quiet_cuts(np.array(power), hop, samples=samples, longest=longest)
    lengths = np.diff(cuts)
    assert (cuts[0], cuts[-1]) == (0, samples)
    assert lengths.max() <= longest
    if len(lengths) > 1:
        assert lengths.min() >= longest / 3
        assert lengths[:-1].min() >= longest / 2
        assert all(cut % hop == 0 for cut in cuts[:-1])


@given(POWER.filter(lambda power: len(power) > 60), st.integers(0, 2**32))
def test_each_cut_is_the_quietest_there_could_be(power: list[float], seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(power)
    cuts = find_quiet_cuts(shuffled, 1, samples=len(shuffled), longest=40)
    padded = np.pad(shuffled, 5, mode="edge")
    for before, cut in pairwise(cuts[:-1]):
        last = min(before + 40, len(shuffled) - 14)
        pauses = {at: padded[at : at + 10].sum() for at in range(before + 20, last + 1)}
        assert pauses[cut] == min(pauses.values())
        assert all(pauses[at] > pauses[cut] for at in pauses if at > cut)


def test_what_fits_is_not_cut() -> None:
    assert find_quiet_cuts(np.ones(50), 160, samples=8000, longest=8000) == [0, 8000]
    assert len(find_quiet_cuts(np.ones(50), 160, samples=8001, longest=8000)) == 3


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 9))
def test_power_does_not_depend_on_the_blocks(sizes: list[int], hop: int) -> None:
    wave = np.random.default_rng(0).uniform(-1, 1, (sum(sizes), 2)).astype(np.float32)
    blocks = np.split(wave, np.cumsum(sizes))
    whole = len(wave) // hop * hop
    expected = np.square(wave[:whole], dtype=np.float64).mean(axis=1).reshape(-1, hop).mean(axis=1)
    np.testing.assert_array_equal(hop_power(iter(blocks), hop), expected)


@given(st.lists(st.integers(1, 30), min_size=1), st.integers(1, 40))
def test_a_stream_is_split_where_it_is_said(lengths: list[int], block: int) -> None:
    wave = np.arange(sum(lengths), dtype=np.float32)[:, None]
    blocks = (wave[start : start + block] for start in range(0, len(wave), block))
    pieces = [np.concatenate(list(piece)) for piece in split_stream(blocks, lengths)]
    assert [len(piece) for piece in pieces] == lengths
    np.testing.assert_array_equal(np.concatenate(pieces), wave)


def test_a_window_is_a_clip_of_its_own_that_knows_its_file() -> None:
    whole = Clip(
        path="a/song.flac", name="song.flac", labels={"domain": ("music",)}, recording="r",
        speaker="s", id="0" * 32, duration_s=100.0, sample_rate=44100, channels=2, peak_dbfs=0.0,
        loudness_lufs=0.0, original_captions=("A song.",),
    )  # fmt: skip
    window = Window(start=1323000, samples=441441, peak_dbfs=-3.0, loudness_lufs=-20.0)
    clip = clip_from_window(whole, window)
    assert clip.name == window_name("song.flac", window, 44100) == "song.flac#t=30.000,40.010"
    assert (clip.start_s, clip.duration_s) == (30.0, 441441 / 44100)
    assert (clip.parent, clip.parent_duration_s) == (whole.id, 100.0)
    assert (clip.peak_dbfs, clip.loudness_lufs) == (-3.0, -20.0)
    assert (clip.labels, clip.recording, clip.speaker) == (whole.labels, "r", "s")
    assert clip.original_captions == ("A song.",)
    # The id is part of every table on every machine: it may not change.
    assert clip.id == "9e88d7eac91ce4008f63bee4b9946b6e"
    assert audio_span(whole) == AudioSpan("a/song.flac", 0.0, None)
    assert audio_span(clip) == AudioSpan("a/song.flac", 30.0, 441441 / 44100)
