"""A slice of the real recordings goes the whole way, where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from earmark.pipeline import run
from earmark.recipe import load_recipe
from earmark.records import Example, Score
from earmark.report.page import write_report
from earmark.tables import read_parquet

pytestmark = pytest.mark.skipif(
    "EARMARK_PACK" not in os.environ,
    reason="EARMARK_PACK is not set: the real recordings are not part of the repository",
)


@pytest.mark.slow
def test_sixty_real_clips(tmp_path: Path) -> None:
    recipe = load_recipe(
        "pack",
        [
            *("corpus.limit=60", "vocabulary.min_df=2", "pretrain.steps=5"),
            *("encoder.dim=64", "encoder.layers=2", "evaluate.bootstrap=50"),
        ],
    )
    workspace = run(recipe, tmp_path)
    _, stages = workspace.latest_run()
    examples = read_parquet(stages["manifest"].file("manifest.parquet"), Example)
    assert len(examples) >= 55
    assert {example.labels["domain"][0] for example in examples} == {
        *("speech", "music", "environment"),
    }
    scores = read_parquet(stages["evaluate"].file("scores.parquet"), Score)
    assert {score.task for score in scores} == {task.name for task in recipe.evaluate.tasks}
    assert any(score.status == "ok" and score.value > score.chance for score in scores)
    assert write_report(workspace).stat().st_size < 5 * 2**20
