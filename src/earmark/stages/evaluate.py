"""Measure the encoder on frozen features, beside baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from earmark.records import Example, Score
from earmark.stages.base import Counts, Folders, Stage, label_sets
from earmark.tables import read_parquet


class EvaluateStage(Stage):
    """Writes scores.parquet and comparisons.parquet, and adds the scores to the model card."""

    name = "evaluate"
    inputs = ("manifest", "pretrain")
    limits_rejections = False
    labels_from = "scan"

    def settings(self) -> Any:
        """Return what is measured; not where copies of datasets lie, nor the device."""
        from earmark.evaluate.config import EVALUATION_VERSION
        from earmark.evaluate.fingerprints import model_digests, task_data_digests

        config = self.recipe.evaluate
        settings = replace(config, device="", cache_block=1, datasets="")
        return (
            settings,
            task_data_digests(config),
            model_digests(config),
            self.recipe.seed,
            EVALUATION_VERSION,
        )

    def check(self) -> None:
        """Check the packages, the device, other encoders and tables."""
        from earmark.evaluate.check import check_evaluation

        check_evaluation(self.recipe.evaluate)

    def check_clips(self, clips: Path) -> None:
        """Check that some clip has the labels that tasks and questions name."""
        from earmark.evaluate.check import check_labels

        config = self.recipe.evaluate
        if config.tasks or config.questions or config.retrieval or config.captioning:
            check_labels(config, label_sets(clips))

    def run(self, inputs: Folders, folder: Path) -> Counts:
        """Evaluate every encoder on every task."""
        from earmark.evaluate.base import Comparison
        from earmark.evaluate.run import add_scores_to_card, evaluate

        examples = read_parquet(inputs["manifest"] / "manifest.parquet", Example)
        checkpoint = inputs["pretrain"] / "checkpoint"
        counts = evaluate(
            examples,
            checkpoint,
            self.recipe.evaluate,
            folder,
            seed=self.recipe.seed,
            weights_seed=self.recipe.training_seed,
            cache=folder.parent / "features",
        )
        scores = read_parquet(folder / "scores.parquet", Score)
        # Of a finished stage the card alone is written anew; nothing reads it.
        add_scores_to_card(
            checkpoint, scores, read_parquet(folder / "comparisons.parquet", Comparison)
        )
        return counts
