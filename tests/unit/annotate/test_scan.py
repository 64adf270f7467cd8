"""Scan: right measures, a reason for each file that is not passed on, the same on every way."""

from __future__ import annotations

import hashlib
import tracemalloc
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.annotate.journal import Journal
from earmark.annotate.scan import ScanConfig, ScanResult, clips_from_results, scan, scan_file
from earmark.config import Config, ConfigError, decode_config
from earmark.io import hash_file
from earmark.records import Clip, Rejected, Source
from earmark.tables import read_parquet, write_parquet

RATE = 16000


def sound(path: Path, seconds: float = 0.5, level: float = 0.5, *, seed: int = 0) -> Source:
    """Write noise, a new one for each name unless the seed says otherwise."""
    draw = np.random.default_rng((seed, *path.name.encode()))
    soundfile.write(path, draw.uniform(-level, level, round(seconds * RATE)), RATE)
    return Source(path=str(path), name=path.name)


def result(folder: Path) -> tuple[list[Clip], list[Rejected]]:
    clips = read_parquet(folder / "clips.parquet", Clip)
    return clips, read_parquet(folder / "rejected.parquet", Rejected)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder to scan into."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_a_clip_has_its_measures_and_keeps_what_the_corpus_knew(tmp_path: Path, out: Path) -> None:
    rate = 48000
    wave = 0.5 * np.sin(2 * np.pi * 997 * np.arange(2 * rate) / rate)
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([wave, wave], axis=1), rate, subtype="PCM_24")
    source = Source(
        path=str(path), name="a", labels={"domain": ("music",)}, recording="r", speaker="s",
        split="test", licence="CC0", attribution="Ada", original_captions=("A tone.", "Beep."),
    )  # fmt: skip
    assert scan([source], ScanConfig(), out) == {"in": 1, "out": 1}
    (clip,), rejected = result(out)
    assert rejected == []
    assert clip.id == hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    assert (clip.duration_s, clip.sample_rate, clip.channels) == (2.0, rate, 2)
    assert clip.peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert clip.loudness_lufs == pytest.approx(-6.02, abs=0.02)
    for field in Source.__struct_fields__:
        assert getattr(clip, field) == getattr(source, field)


def test_bounds_are_inclusive_and_told(tmp_path: Path, out: Path) -> None:
    seconds = {"short": 0.0999, "shortest": 0.1, "longest": 2.0, "long": 2.001}
    sources = [sound(tmp_path / f"{name}.wav", length) for name, length in seconds.items()]
    counts = scan(sources, ScanConfig(min_duration_s=0.1, max_duration_s=2.0), out)
    assert counts == {"in": 4, "out": 2, "scan: too short": 1, "scan: too long": 1}
    clips, rejected = result(out)
    assert [clip.name for clip in clips] == ["shortest.wav", "longest.wav"]
    assert {row.id: row.detail for row in rejected} == {
        "short.wav": "0.0999 s; min_duration_s is 0.1",
        "long.wav": "2.0010 s; max_duration_s is 2.0",
    }


def test_silence_is_told_by_the_peak(tmp_path: Path) -> None:
    quiet, silent = 10 ** (-59 / 20), 10 ** (-61 / 20)
    assert scan_file(sound(tmp_path / "a.wav", level=quiet), ScanConfig()).reason == ""
    finding = scan_file(sound(tmp_path / "b.wav", level=silent), ScanConfig())
    assert finding.reason == "silent"
    assert finding.detail == "peak -60.8 dBFS; silence_dbfs is -60.0"
    assert scan_file(sound(tmp_path / "c.wav", level=0), ScanConfig()).reason == "silent"
    assert scan_file(sound(tmp_path / "b.wav", level=silent), ScanConfig(silence_dbfs=-80)).id


def test_the_first_of_equal_files_is_the_clip_whatever_the_threads_do(
    tmp_path: Path, out: Path
) -> None:
    # The first is the slowest to decode.
    sources = [sound(tmp_path / f"{index:02}.wav", 0.2) for index in range(20)]
    long = sound(tmp_path / "long.wav", 30.0)
    copies = [Source(path=long.path, name=f"copy{index}") for index in range(5)]
    counts = scan([long, *copies, *sources], ScanConfig(workers=4), out)
    assert counts == {"in": 26, "out": 21, "scan: duplicate": 5}
    clips, rejected = result(out)
    assert [clip.name for clip in clips] == ["long.wav", *(source.name for source in sources)]
    assert [row.id for row in rejected] == [copy.name for copy in copies]
    assert {row.detail for row in rejected} == {"same bytes as long.wav"}


def test_a_rejected_file_is_nobodys_original(tmp_path: Path) -> None:
    sources = [Source(path="x", name=name) for name in ("bad", "good", "same")]
    findings = {
        "bad": ScanResult(name="bad", reason="truncated"),
        "good": ScanResult(name="good", id="7"),
        "same": ScanResult(name="same", id="7"),
    }
    clips, rejected = clips_from_results(sources, findings, -60.0)
    assert [clip.name for clip in clips] == ["good"]
    assert [(row.id, row.reason) for row in rejected] == [
        ("bad", "truncated"),
        ("same", "duplicate"),
    ]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_the_tables_are_the_same_for_any_number_of_threads(tmp_path: Path, workers: int) -> None:
    sources = [sound(tmp_path / f"{index}.wav", 0.05 * index) for index in range(1, 12)]
    outcomes = []
    for name, config in {"a": ScanConfig(workers=workers), "b": ScanConfig(workers=2)}.items():
        (tmp_path / name).mkdir()
        scan(sources, config, tmp_path / name)
        outcomes.append([file.read_bytes() for file in sorted((tmp_path / name).iterdir())])
    assert outcomes[0] == outcomes[1]


def test_what_the_journal_holds_is_not_listened_to_again(tmp_path: Path, out: Path) -> None:
    sources = [sound(tmp_path / f"{index}.wav") for index in range(6)]
    with closing(Journal(out / "journal.jsonl", ScanResult)) as journal:
        journal.append([scan_file(source, ScanConfig()) for source in sources[:3]])
    for source in sources[:3]:
        Path(source.path).unlink()
    assert scan(sources, ScanConfig(), out) == {"in": 6, "out": 6}
    assert sorted(file.name for file in out.iterdir()) == ["clips.parquet", "rejected.parquet"]


@pytest.mark.parametrize("written", [["clips"], ["clips", "rejected"]])
def test_a_kill_while_the_tables_are_written_does_no_harm(
    written: list[str], tmp_path: Path, out: Path
) -> None:
    sources = [sound(tmp_path / f"{index}.wav", 0.06 * index) for index in range(1, 5)]
    with closing(Journal(out / "journal.jsonl", ScanResult)) as journal:
        journal.append([scan_file(source, ScanConfig()) for source in sources])
    kept = (out / "journal.jsonl").read_bytes()
    counts = scan(sources, ScanConfig(), out)
    whole = {file.name: file.read_bytes() for file in out.iterdir()}
    for name in {"clips", "rejected"}.difference(written):
        (out / f"{name}.parquet").unlink()
    (out / "journal.jsonl").write_bytes(kept)
    assert scan(sources, ScanConfig(), out) == counts
    assert {file.name: file.read_bytes() for file in out.iterdir()} == whole


def test_a_finished_scan_is_only_read(tmp_path: Path, out: Path) -> None:
    sources = [sound(tmp_path / "a.wav"), sound(tmp_path / "b.wav", 0.01)]
    counts = scan(sources, ScanConfig(), out)
    for source in sources:
        Path(source.path).unlink()
    assert scan(sources, ScanConfig(), out) == counts == {"in": 2, "out": 1, "scan: too short": 1}


CUTTING = ScanConfig(window_s=4.0)


def two_voices(path: Path, *, silent_s: float = 0.0) -> Source:
    """Write 12 s of noise: a pause at 3.0 to 3.4 s, and `silent_s` of nothing at the end."""
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 12 * RATE)
    wave[round(3.0 * RATE) : round(3.4 * RATE)] *= 1e-4
    wave[len(wave) - round(silent_s * RATE) :] = 0
    soundfile.write(path, wave, RATE)
    return Source(path=str(path), name=path.name, labels={"domain": ("speech",)}, split="test")


def test_a_long_file_gives_a_clip_for_each_window(tmp_path: Path, out: Path) -> None:
    sources = [two_voices(tmp_path / "long.wav"), sound(tmp_path / "short.wav", 4.0)]
    counts = scan(sources, CUTTING, out)
    (*windows, short), rejected = result(out)
    assert (short.name, short.parent, short.start_s) == ("short.wav", None, 0.0)
    assert rejected == []
    assert counts == {"in": len(windows) + 1, "files": 2, "out": len(windows) + 1}
    assert len({clip.id for clip in windows}) == len(windows) >= 3
    assert 3.0 < windows[1].start_s < 3.4
    assert sum(clip.duration_s for clip in windows) == pytest.approx(12.0)
    for clip in windows:
        assert clip.parent == hash_file(tmp_path / "long.wav")
        assert clip.parent_duration_s == 12.0
        assert clip.duration_s <= 4.0
        assert clip.name.startswith("long.wav#t=")
        assert (clip.labels, clip.split) == (sources[0].labels, "test")


def test_a_silent_window_is_rejected_by_its_own_name(tmp_path: Path, out: Path) -> None:
    source = two_voices(tmp_path / "long.wav", silent_s=8.0)
    copy = Source(path=source.path, name="copy.wav")
    counts = scan([source, copy], CUTTING, out)
    clips, rejected = result(out)
    silent = [row for row in rejected if row.reason == "silent"]
    assert len(silent) >= 2
    assert all(row.id.startswith("long.wav#t=") for row in silent)
    assert [row.id for row in rejected if row.reason == "duplicate"] == ["copy.wav"]
    assert counts.pop("files") == 2
    assert counts.pop("in") == sum(counts.values()) == len(clips) + len(rejected)


def test_a_source_without_a_row_is_missed_in_the_counts(tmp_path: Path, out: Path) -> None:
    sources = [two_voices(tmp_path / "long.wav"), sound(tmp_path / "short.wav")]
    scan(sources, CUTTING, out)
    clips, _ = result(out)
    write_parquet(out / "clips.parquet", clips[:-1], Clip)
    counts = scan(sources, CUTTING, out)
    assert counts["in"] == counts["out"] + 1


def test_a_cut_file_is_resumed_like_any_other(tmp_path: Path, out: Path) -> None:
    sources = [two_voices(tmp_path / "long.wav"), sound(tmp_path / "short.wav")]
    (tmp_path / "straight").mkdir()
    counts = scan(sources, CUTTING, tmp_path / "straight")
    with closing(Journal(out / "journal.jsonl", ScanResult)) as journal:
        journal.append([scan_file(sources[0], CUTTING)])
    Path(sources[0].path).unlink()
    assert scan(sources, CUTTING, out) == counts
    for name in ("clips.parquet", "rejected.parquet"):
        assert (out / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()


def test_what_bounds_a_file_that_may_be_cut(tmp_path: Path) -> None:
    long = sound(tmp_path / "long.wav", 70.0)
    assert scan_file(long, ScanConfig()).reason == "too long"
    assert scan_file(long, ScanConfig(window_s=30)).reason == ""
    assert scan_file(long, ScanConfig(window_s=30, max_duration_s=60)).reason == "too long"
    assert ScanConfig(window_s=30).longest_s == 24 * 3600


def test_nothing_to_scan_is_no_error(out: Path) -> None:
    assert scan([], ScanConfig(), out) == {"in": 0, "out": 0}


def test_progress_is_shown(tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scan([sound(tmp_path / "a.wav")], ScanConfig(), out)
    assert "scan: 1/1 clips" in capsys.readouterr().err


@pytest.mark.parametrize("config", [ScanConfig(max_duration_s=4000), ScanConfig(window_s=30)])
def test_an_hour_is_decoded_in_bounded_memory(tmp_path: Path, config: ScanConfig) -> None:
    path = tmp_path / "hour.wav"
    block = np.random.default_rng(0).integers(-3000, 3000, 8000 * 60).astype("i2")
    with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16") as file:
        for _ in range(60):
            file.write(block)
    scan_file(sound(tmp_path / "warm.wav"), ScanConfig())
    tracemalloc.start()
    finding = scan_file(Source(path=str(path), name="hour"), config)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert finding.duration_s == 3600.0
    assert sum(window.samples for window in finding.windows) in (0, 3600 * 8000)
    assert peak_bytes < 16e6, "the whole would be 115 MB"


def test_the_hash_is_of_the_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000  # more than one block
    (tmp_path / "a").write_bytes(data)
    assert hash_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()[:32]


class Recipe(Config, frozen=True, kw_only=True):
    scan: ScanConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_duration_s": 70}, "scan.min_duration_s = 70.0 is above max_duration_s = 60.0"),
        (
            {"window_s": 60, "max_duration_s": 60},
            "window_s = 60.0 is not below max_duration_s = 60.0",
        ),
        ({"window_s": 5, "min_duration_s": 2}, "would reject: give at least window_s = 6.0"),
        ({"window_s": 0.5}, "scan.window_s = 0.5: expected a value >= 1.0"),
        ({"min_duration_s": -1}, "scan.min_duration_s = -1: expected a value >= 0"),
        ({"silence_dbfs": 3}, "scan.silence_dbfs = 3: expected a value >= -100 and <= 0"),
        ({"workers": "all"}, 'scan.workers = "all": a whole number was expected'),
        (
            {"max_duration": 9},
            "unknown key 'max_duration' in [scan]. Did you mean 'max_duration_s'",
        ),
    ],
)
def test_settings_that_cannot_be_meant_are_told(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode_config({"scan": settings}, Recipe)
    assert message in str(caught.value)
