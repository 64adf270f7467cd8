"""The corpus as its user meets it: files, rows, resumption, and what a bad recipe says."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.audio import probe
from earmark.config import ConfigError, decode_config
from earmark.corpora.synthetic import SyntheticConfig
from earmark.records import Source

if importlib.util.find_spec("espeakng_loader") is None:
    pytest.skip("espeak-ng is missing: pip install 'earmark[synthetic]'", allow_module_level=True)

CLIPS = 12


def make(folder: Path, **settings: int) -> list[Source]:
    rows = list(SyntheticConfig(clips=CLIPS, **settings).build().rows(folder))
    sources = [row for row in rows if isinstance(row, Source)]
    assert len(sources) == len(rows)
    return sources


def contents(rows: list[Source]) -> dict[str, bytes]:
    return {row.name: Path(row.path).read_bytes() for row in rows}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    return make(tmp_path_factory.mktemp("made"), workers=1)


def test_two_workers_make_the_same_bytes_as_one(made: list[Source], tmp_path: Path):
    again = make(tmp_path, workers=2)
    assert contents(again) == contents(made)
    assert [row.labels for row in again] == [row.labels for row in made]
    assert [row.original_captions for row in again] == [row.original_captions for row in made]


def test_another_seed_makes_another_corpus(made: list[Source], tmp_path: Path):
    other = make(tmp_path, workers=1, seed=1)
    assert not set(contents(other).values()) & set(contents(made).values())


def test_a_clip_does_not_depend_on_how_many_there_are(made: list[Source], tmp_path: Path):
    fewer = list(SyntheticConfig(clips=3, workers=1).build().rows(tmp_path))
    assert contents(fewer) == {row.name: Path(row.path).read_bytes() for row in made[:3]}


def test_a_killed_run_makes_only_what_is_missing(made: list[Source], tmp_path: Path):
    whole = make(tmp_path, workers=1)
    kept, lost = Path(whole[0].path), Path(whole[5].path)
    kept.write_bytes(b"finished before the kill")
    lost.rename(lost.with_name(lost.name + ".tmp"))
    again = make(tmp_path, workers=1)
    assert kept.read_bytes() == b"finished before the kill"
    assert lost.read_bytes() == Path(made[5].path).read_bytes()
    assert sorted(path.name for path in (tmp_path / "audio").iterdir()) == sorted(
        Path(row.name).name for row in again
    )


def test_clips_are_mono_16_khz_within_bounds(made: list[Source]):
    for row in made:
        info = probe(row.path)
        assert (info.sample_rate, info.channels) == (16000, 1)
        assert 3.0 <= info.duration_s <= 8.0
        wave, _ = soundfile.read(row.path)
        assert np.isfinite(wave).all()
        assert 0.005 < np.abs(wave).max() < 1.0


def test_rows_come_in_order_with_their_licence(made: list[Source]):
    assert [row.name[:10] for row in made] == [f"audio/{index:04d}" for index in range(CLIPS)]
    assert all(row.licence == "CC0-1.0 (synthetic)" for row in made)
    assert all(("espeak-ng" in str(row.attribution)) == bool(row.speaker) for row in made)


def test_the_fingerprint_knows_what_decides_the_samples():
    first = SyntheticConfig().build().fingerprint()
    assert SyntheticConfig(workers=1).build().fingerprint() == first
    assert SyntheticConfig(seed=1).build().fingerprint() != first
    assert SyntheticConfig(clips=100).build().fingerprint() != first
    assert SyntheticConfig(longest_s=7.0).build().fingerprint() != first


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"clips": 0}, "clips = 0: expected a value >= 1"),
        ({"seed": -1}, "seed = -1: expected a value >= 0 and <= 4294967295"),
        ({"shortest_s": 8.0, "longest_s": 3.0}, "shortest_s = 8.0 should be below longest_s = 3.0"),
        ({"workers": -2}, "workers = -2: expected a value >= 0"),
    ],
)
def test_a_value_out_of_range_is_explained(settings: dict[str, float], said: str):
    with pytest.raises(ConfigError, match=said):
        decode_config(settings, SyntheticConfig)


def test_a_missing_extra_names_its_installation(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ConfigError, match=r"pip install 'earmark\[synthetic\]'"):
        SyntheticConfig().build()
