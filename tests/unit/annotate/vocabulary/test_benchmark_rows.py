"""The benchmark's rows are what it says: from a seed, wherever a stretch begins; and it runs."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from earmark.records import TagSet
from earmark.tables import read_parquet

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"


@pytest.fixture(scope="module")
def made() -> ModuleType:
    """Return the module that makes rows; benchmarks are scripts, not a package."""
    spec = importlib.util.spec_from_file_location("rows", BENCHMARKS / "vocabulary_rows.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_a_stretch_is_part_of_every_longer_one(made: ModuleType) -> None:
    language = made.Language()
    whole = [rows.ids for rows in language.stretch(0, made.CHUNK + 100)]
    part = [rows.ids for rows in language.stretch(made.CHUNK - 50, 100)]
    assert b"".join(part) == b"".join(whole)[32 * (made.CHUNK - 50) :][: 32 * 100]


def test_both_forms_hold_the_same_rows(made: ModuleType, tmp_path: Path) -> None:
    language = made.Language()
    language.write_parquet(tmp_path / "rows.parquet", 10, 200)
    language.write_jsonl(tmp_path / "rows.jsonl", 10, 200)
    table = read_parquet(tmp_path / "rows.parquet", TagSet)
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [(row.id, list(row.tags)) for row in table] == [(r["id"], r["tags"]) for r in lines]
    assert len({row.id for row in table}) == 200
    assert all(len(set(row.tags)) == len(row.tags) <= made.MOST_TAGS for row in table)
    assert np.mean([len(row["caption"].split()) for row in lines]) == pytest.approx(390, abs=1)


def test_the_tail_is_long_and_falls_as_a_power_law_does(made: ModuleType) -> None:
    language = made.Language()
    frequencies = np.zeros(len(language.raw_tags), int)
    for rows in language.stretch(0, 2 * made.CHUNK):
        frequencies += np.bincount(rows.tags, minlength=len(frequencies))
    assert 55_000 < len(frequencies) < 65_000
    falling = np.sort(frequencies)[::-1]
    at = [falling[rank] for rank in (10, 100, 1_000, 10_000)]
    assert all(4 < more / fewer < 40 for more, fewer in pairwise(at))


@pytest.mark.slow
def test_the_comparison_runs_in_small(tmp_path: Path) -> None:
    small = ["speed", "--quick", "--rows", "2000", "--folder", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "vocabulary.py"), *small],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "labels as the baseline's: 1.00 of 1 1 ok" in done.stdout
