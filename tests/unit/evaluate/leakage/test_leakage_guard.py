"""Copies are found however they are stored, other recordings are not, and doubts are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soxr

from earmark.evaluate.config import LeakageConfig
from earmark.evaluate.leakage.audio import Alignments, compare_alignments
from earmark.evaluate.leakage.detect import detect_leaks, find_leaks
from earmark.evaluate.leakage.fingerprint import Fingerprints
from earmark.evaluate.leakage.leak import Leak
from earmark.records import Example
from earmark.tables import read_parquet, write_parquet

Clip = Callable[..., Example]
Sound = Callable[[int, float], np.ndarray]

HEARD = LeakageConfig(ids=False, sentences=False)


@pytest.fixture
def learnt(clip: Clip, sound: Sound) -> list[Example]:
    return [clip(f"learnt-{seed}", sound(seed, 4.0)) for seed in range(6)]


def noisy(wave: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(len(wave))
    return (wave + noise * np.sqrt((wave**2).mean() / 100)).astype(np.float32)


COPIES: dict[str, Callable[[Clip, np.ndarray], Example]] = {
    "eight bits": lambda clip, wave: clip("copy", wave, subtype="PCM_U8"),
    "ogg": lambda clip, wave: clip("copy.ogg", wave),
    "mp3": lambda clip, wave: clip("copy.mp3", wave),
    "resampled": lambda clip, wave: clip("copy", soxr.resample(wave, 16000, 11025), 11025),
    "quieter": lambda clip, wave: clip("copy", 0.05 * wave),
    "upside down": lambda clip, wave: clip("copy", -wave),
    "trimmed": lambda clip, wave: clip("copy", wave[12345:]),
    "late": lambda clip, wave: clip("copy", np.concatenate([np.zeros(7777, np.float32), wave])),
    "noisy": lambda clip, wave: clip("copy", noisy(wave)),
    "a window": lambda clip, wave: clip("copy", wave[20011:50321]),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_found(
    learnt: list[Example], clip: Clip, sound: Sound, tmp_path: Path, kind: str
) -> None:
    copy = COPIES[kind](clip, sound(4, 4.0))
    other = clip("other", sound(99, 4.0))
    leaks = find_leaks(learnt, [other, copy], HEARD, tmp_path / "cache")
    assert [(leak.id, leak.by, leak.learnt_id) for leak in leaks] == [
        (copy.id, "fingerprint", "learnt-4")
    ]
    rate, seconds = (float(leaks[0].detail.split()[place]) for place in (3, 5))
    assert rate < 0.15
    assert 1.5 < seconds <= 4.0


def test_a_learnt_window_of_a_longer_tested_file_is_found(
    clip: Clip, sound: Sound, tmp_path: Path
) -> None:
    wave = sound(0, 6.0)
    leaks = find_leaks(
        [clip("window", wave[30001:70001])], [clip("whole", wave)], HEARD, tmp_path / "cache"
    )
    assert [leak.learnt_id for leak in leaks] == ["window"]


def test_other_recordings_are_no_copies(clip: Clip, sound: Sound, tmp_path: Path) -> None:
    ones = [clip(f"one-{seed}", sound(seed, 3.0)) for seed in range(20)]
    others = [clip(f"other-{seed}", sound(100 + seed, 3.0)) for seed in range(20)]
    findings = detect_leaks(ones, others, HEARD, tmp_path / "cache")
    assert findings.leaks == ()
    assert findings.untold == ()


def decay(hertz: float, seed: int) -> np.ndarray:
    time = np.arange(48000) / 16000
    noise = 1e-3 * np.random.default_rng(seed).standard_normal(len(time))
    tone = sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 8))
    return (0.2 * np.exp(-3 * time) * (tone + noise)).astype(np.float32)


def test_what_any_two_share_is_not_a_copy_but_a_doubt(
    clip: Clip, sound: Sound, tmp_path: Path
) -> None:
    time = np.arange(48000) / 16000
    hum = 0.3 * np.sin(2 * np.pi * 440 * time).astype(np.float32)
    sounds = {"silence": np.zeros(48000, np.float32), "hum": hum, "note": decay(330.0, 0)}
    ours = [clip(f"ours-{name}", wave) for name, wave in sounds.items()]
    theirs = [clip(f"theirs-{name}", wave) for name, wave in sounds.items()]
    short = clip("short", sound(0, 0.9))
    findings = detect_leaks(ours, [*theirs, short], HEARD, tmp_path / "cache")
    assert findings.leaks == ()
    reasons = {row.id: row.reason for row in findings.untold}
    assert reasons == dict.fromkeys((c.id for c in theirs), "too little change") | {
        "short": "too short"
    }
    assert findings.doubts() == (
        "leakage: 4 clips have no fingerprint to tell by (3 too little change, 1 too short)"
    )


def test_chance_is_reckoned_from_how_often_each_bit_is_set(clip: Clip) -> None:
    # Bit 0 is set in half of the frames of both, bit 1 in all of one and none of the other.
    frames = np.zeros((8, 2), np.uint32)
    frames[:, 1] = 0b11
    frames[:4, 0], frames[4:, 0] = [0b01, 0b00, 0b01, 0b00], [0b10, 0b11, 0b11, 0b10]
    both = Fingerprints((clip("a"), clip("b")), frames, np.array([0, 4, 8]))
    pair = Alignments(np.array([0]), np.array([1]), np.array([0]))
    evidence = compare_alignments(both, both, pair)
    assert (evidence.frames[0], evidence.bits[0], evidence.errors[0]) == (4, 8, 6)
    assert evidence.expected[0] == pytest.approx(4 * 0.5 + 4 * 1.0)


def test_all_kinds_once_a_clip_in_the_order_of_the_tested_clips(
    clip: Clip, sound: Sound, tmp_path: Path
) -> None:
    words = ("A dog barks twice while a car drives past slowly.",)
    wave = sound(0, 3.0)
    learnt = [clip("x", wave, original_captions=words), clip("y", sound(1, 3.0), parent="file")]
    twin = clip("twin", wave, original_captions=words)
    window = clip("z", sound(2, 3.0), parent="file")
    tested = [window, learnt[0], twin, learnt[0]]
    cache = tmp_path / "cache"
    leaks = find_leaks(learnt, tested, LeakageConfig(), cache)
    kinds = [(leak.id, leak.by) for leak in leaks]
    assert kinds == [
        ("z", "id"),
        *(("x", by) for by in ("id", "fingerprint", "sentence")),
        *(("twin", by) for by in ("fingerprint", "sentence")),
    ]
    assert find_leaks(learnt, tested, LeakageConfig(), cache) == leaks
    none = LeakageConfig(ids=False, sentences=False, fingerprints=False)
    assert find_leaks(learnt, tested, none, cache) == []
    write_parquet(tmp_path / "leaks.parquet", leaks, Leak)
    assert read_parquet(tmp_path / "leaks.parquet", Leak) == leaks


def test_a_lost_file_is_told_and_the_guard_goes_on(
    learnt: list[Example], clip: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = clip("copy", path=learnt[1].path)
    leaks = find_leaks([clip("lost"), *learnt], [clip("gone"), copy], HEARD, tmp_path / "cache")
    assert [leak.learnt_id for leak in leaks] == ["learnt-1"]
    assert "leakage: 2 clips have no fingerprint to tell by (2 unreadable)" in (
        capsys.readouterr().err
    )


def test_no_clips_at_all_leak_nothing(clip: Clip, sound: Sound, tmp_path: Path) -> None:
    one = [clip("one", sound(0, 2.0))]
    for learnt, tested in (([], []), (one, []), ([], one)):
        assert find_leaks(learnt, tested, LeakageConfig(), tmp_path / "cache") == []
