"""The fingerprint of a wave, and its cache."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soxr

from earmark.evaluate.leakage.fingerprint import (
    COLUMNS,
    FRAME_SAMPLES,
    HOP_SAMPLES,
    KEY_SHIFTS,
    Fingerprints,
    audio_fingerprint,
    compute_fingerprints,
)
from earmark.records import Example

Clip = Callable[..., Example]
Sound = Callable[[int, float], np.ndarray]


def at_8_khz(wave: np.ndarray) -> np.ndarray:
    return soxr.resample(wave, 16000, 8000).astype(np.float32)


def test_a_frame_comes_every_hop_after_the_first_two(sound: Sound) -> None:
    wave = at_8_khz(sound(0, 2.0))
    assert audio_fingerprint(wave).shape == (
        1 + (len(wave) - FRAME_SAMPLES) // HOP_SAMPLES - 1,
        COLUMNS,
    )
    assert audio_fingerprint(wave[: FRAME_SAMPLES + HOP_SAMPLES]).shape == (1, COLUMNS)
    for short in (0, 1, FRAME_SAMPLES - 1, FRAME_SAMPLES + HOP_SAMPLES - 1):
        assert audio_fingerprint(wave[:short]).shape == (0, COLUMNS)


def test_bits_are_the_signs_of_the_paper(sound: Sound) -> None:
    wave = at_8_khz(sound(1, 1.0))
    edges = np.round(np.geomspace(250, 3500, 34) * FRAME_SAMPLES / 8000).astype(int)
    window = np.hanning(FRAME_SAMPLES + 1)[:-1]
    energies = [
        [np.sum(np.abs(row[low:high]) ** 2) for low, high in pairwise(edges)]
        for row in (
            np.fft.rfft(wave[start : start + FRAME_SAMPLES].astype(float) * window)
            for start in (5 * HOP_SAMPLES, 6 * HOP_SAMPLES)
        )
    ]
    found = audio_fingerprint(wave)[5]
    for band in range(32):
        before, after = (row[band] - row[band + 1] for row in energies)
        if found[1] >> band & 1:
            assert bool(found[0] >> band & 1) == (after > before)
    assert int(np.bitwise_count(found[1])) > 8


def test_gain_changes_nothing_and_a_whole_hop_shifts(sound: Sound) -> None:
    wave = at_8_khz(sound(2, 2.0))
    whole = audio_fingerprint(wave)
    # A power of two scales floats without rounding.
    np.testing.assert_array_equal(audio_fingerprint(wave / 64), whole)
    np.testing.assert_array_equal(audio_fingerprint(wave[3 * HOP_SAMPLES :])[:, 0], whole[3:, 0])


def test_quiet_frames_say_nothing(sound: Sound) -> None:
    wave = at_8_khz(sound(3, 2.0))
    silent = np.concatenate([wave, 1e-4 * wave, np.zeros(8000, np.float32)])
    mask = audio_fingerprint(silent)[:, 1]
    assert mask[10:40].all()
    assert not mask[len(wave) // HOP_SAMPLES :].any()
    assert not audio_fingerprint(np.zeros(8000, np.float32))[:, 1].any()


def test_weak_bits_are_four_of_each_key(sound: Sound) -> None:
    rows = audio_fingerprint(at_8_khz(sound(4, 1.0)))
    for number, shift in enumerate(KEY_SHIFTS):
        weak = rows[:, 2 + number]
        assert (np.bitwise_count(weak) == 4).all()
        assert not (weak & ~np.uint32((2**24 - 1) << shift)).any()


def read(clips: list[Example], cache: Path) -> Fingerprints:
    fingerprints, unread = compute_fingerprints(clips, cache, columns=COLUMNS, title="test")
    assert not unread
    return fingerprints


def test_the_cache_is_read_in_place_of_the_file(clip: Clip, sound: Sound, tmp_path: Path) -> None:
    clips = [clip(f"c{seed}", sound(seed, 1.0 + seed)) for seed in range(3)]
    cache = tmp_path / "cache"
    before = read(clips[:2], cache)
    for gone in clips[:2]:
        Path(gone.path).unlink()
    after = read([clips[2], clips[1], clips[0]], cache)
    assert [example.id for example in after.clips] == ["c2", "c1", "c0"]
    ends = after.starts
    np.testing.assert_array_equal(after.frames[ends[2] :], before.frames[: before.starts[1]])
    assert not list(cache.rglob("*.tmp"))


def test_a_window_is_listened_to_alone(clip: Clip, sound: Sound, tmp_path: Path) -> None:
    wave = sound(5, 4.0)
    whole = clip("file", wave)
    cut = clip("cut", wave[16000:40000])
    window = clip("w", path=whole.path, start_s=1.0, duration_s=1.5, parent="file")
    found = read([window, cut], tmp_path / "cache")
    same = found.frames[: found.starts[1], 0] == found.frames[found.starts[1] :, 0]
    assert same.all()


@pytest.mark.parametrize(("content", "reason"), [(None, "unreadable"), (b"", "empty")])
def test_a_file_that_cannot_be_read_is_told_and_asked_again(
    clip: Clip, sound: Sound, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    good, bad = clip("good", sound(6, 1.0)), clip("bad")
    if content is not None:
        Path(bad.path).write_bytes(content)
    cache = tmp_path / "cache"
    found, unread = compute_fingerprints([bad, good], cache, columns=2, title="test")
    assert [example.id for example in found.clips] == ["good"]
    assert found.frames.shape[1] == 2
    assert [(row.id, row.stage, row.reason) for row in unread] == [("bad", "leakage", reason)]
    clip("bad", sound(7, 1.0))
    assert len(read([bad, good], cache).clips) == 2
