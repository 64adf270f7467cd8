"""Every corpus keeps the contract of `corpora/base.py`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from earmark.config import fingerprint, to_plain
from earmark.corpora.base import list_corpus
from earmark.corpora.concat import ConcatConfig
from earmark.corpora.folder import FolderConfig
from earmark.corpora.synthetic import SyntheticConfig
from earmark.corpora.table import TableConfig
from earmark.records import Rejected, Source
from earmark.tables import read_parquet

CorpusConfig = FolderConfig | TableConfig | SyntheticConfig | ConcatConfig


def a_folder(root: Path) -> FolderConfig:
    (root / "sub").mkdir()
    for name in ("b.wav", "sub/a.flac", "note.txt"):
        (root / name).write_bytes(name.encode())
    return FolderConfig(path=str(root))


def a_table(root: Path) -> TableConfig:
    rows = [{"path": "b.wav", "label": "dog"}, {"path": "a.wav"}, {"path": ""}]
    (root / "clips.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (root / "b.wav").write_bytes(b"b")
    return TableConfig(path=str(root / "clips.jsonl"), labels=("label",))


def a_synthetic(root: Path) -> SyntheticConfig:
    pytest.importorskip("espeakng_loader", reason="the extra `synthetic` is not installed")
    return SyntheticConfig(clips=3, shortest_s=2.0, longest_s=2.5, workers=1)


def a_concat(root: Path) -> ConcatConfig:
    for name in ("first", "second"):
        (root / name).mkdir()
    parts = {"first": a_folder(root / "first"), "second": a_table(root / "second")}
    return ConcatConfig(parts=parts)


MEMBERS = {"folder": a_folder, "table": a_table, "synthetic": a_synthetic, "concat": a_concat}


@pytest.fixture(params=MEMBERS)
def config(request: pytest.FixtureRequest, tmp_path: Path) -> CorpusConfig:
    """One member's settings, with its audio or table beside it."""
    (tmp_path / "given").mkdir()
    make: Callable[[Path], CorpusConfig] = MEMBERS[request.param]
    return make(tmp_path / "given")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The corpus's own folder in the workspace."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_rows_are_stable_and_their_names_unique(config: CorpusConfig, out: Path) -> None:
    rows = list(config.build().rows(out))
    assert list(config.build().rows(out)) == rows
    names = [row.name for row in rows if isinstance(row, Source)]
    assert len(names) >= 2
    assert len(set(names)) == len(names)


def test_sources_lie_at_absolute_paths(config: CorpusConfig, out: Path) -> None:
    for row in config.build().rows(out):
        if isinstance(row, Source):
            assert os.path.isabs(row.path)
            assert not os.path.isabs(row.name)


def test_rejections_are_of_the_corpus_and_give_a_reason(config: CorpusConfig, out: Path) -> None:
    rejected = [row for row in config.build().rows(out) if isinstance(row, Rejected)]
    assert all(row.stage == "corpus" and row.reason and row.id for row in rejected)
    assert len({row.id for row in rejected}) == len(rejected)


def test_counts_add_up_and_rows_survive_storage(config: CorpusConfig, out: Path) -> None:
    rows = list(config.build().rows(out))
    counts = list_corpus(config.build(), out)
    assert counts.pop("in") == len(rows) == sum(counts.values())
    stored = [
        *read_parquet(out / "sources.parquet", Source),
        *read_parquet(out / "rejected.parquet", Rejected),
    ]
    assert sorted(map(repr, stored)) == sorted(map(repr, rows))


def test_the_fingerprint_is_stable_and_reads_no_audio(config: CorpusConfig, out: Path) -> None:
    first = config.build().fingerprint()
    assert first == config.build().fingerprint()
    list_corpus(config.build(), out)
    assert config.build().fingerprint() == first, "making its audio does not change a corpus"
    assert not any(character not in "0123456789abcdef" for character in first)


def test_only_a_corpus_that_makes_audio_writes(config: CorpusConfig, out: Path) -> None:
    list(config.build().rows(out))
    assert any(out.iterdir()) == isinstance(config, SyntheticConfig)


def test_settings_can_be_kept(config: CorpusConfig) -> None:
    assert to_plain(config)["kind"] in MEMBERS
    assert fingerprint(config) == fingerprint(config)


def test_paths_hold_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.wav").write_bytes(b"a")
    monkeypatch.chdir(tmp_path)
    list_corpus(FolderConfig(path=".").build(), tmp_path)
    (row,) = read_parquet(tmp_path / "sources.parquet", Source)
    assert row.path == str(tmp_path / "a.wav")
