"""Pre-train the encoder; several processes that torchrun started may share the work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from earmark.annotate.backends.registry import display_name
from earmark.pretrain.config import result_settings
from earmark.pretrain.loop.distributed import world_from_environment
from earmark.records import Clip, Example
from earmark.stages.base import Counts, Folders, ProcessGroup, Stage
from earmark.tables import stream_parquet


class PretrainStage(Stage):
    """Writes checkpoint/, best/ and log.jsonl."""

    name = "pretrain"
    inputs = ("manifest", "vocabulary")
    limits_rejections = False
    labels_from = "scan"

    def settings(self) -> Any:
        """Return the model, the objective, the seed, and what shapes the weights."""
        recipe = self.recipe
        return (
            recipe.encoder,
            recipe.objective,
            recipe.training_seed,
            result_settings(recipe.pretrain),
        )

    def check(self) -> None:
        """Check the packages and the device."""
        from earmark.pretrain.objectives.targets import check_pretraining

        check_pretraining(self.recipe.pretrain, self.recipe.encoder, self.recipe.objective)

    def check_clips(self, clips: Path) -> None:
        """Check that some clip has the labels or the captions that the objective learns from."""
        from earmark.pretrain.objectives.targets import (
            check_supervision,
            count_supervision,
            needs_corpus_supervision,
        )

        if needs_corpus_supervision(self.recipe.objective):
            rows = stream_parquet(clips / "clips.parquet", Clip)
            check_supervision(self.recipe.objective, count_supervision(rows))

    def process_group(self) -> ProcessGroup:
        """Return this process's rank among those that torchrun started."""
        world = world_from_environment()
        return ProcessGroup(world.rank, world.size, "torchrun")

    def run(self, inputs: Folders, folder: Path) -> Counts:
        """Train; the first process writes the model cards."""
        from earmark.annotate.manifest import count_licenses
        from earmark.annotate.vocabulary import Vocabulary
        from earmark.pretrain.checkpoint.model_card import describe_training_data, write_model_cards
        from earmark.pretrain.loop.trainer import pretrain
        from earmark.pretrain.objectives.targets import drop_unused_texts

        recipe = self.recipe
        rows = stream_parquet(inputs["manifest"] / "manifest.parquet", Example)
        # Captions of hundreds of words are most of a manifest, and few objectives read them.
        required = recipe.pretrain.require
        examples = [drop_unused_texts(row, recipe.objective, required) for row in rows]
        vocabulary = Vocabulary.load(inputs["vocabulary"] / "vocabulary.json")
        settings = (recipe.encoder, recipe.objective, recipe.pretrain)
        counts = pretrain(examples, vocabulary, *settings, folder, seed=recipe.training_seed)
        if self.process_group().rank == 0:
            data = describe_training_data(
                examples,
                licences=count_licenses(inputs["manifest"]),
                captioner=display_name(recipe.captioner),
                tagger=display_name(recipe.tagger),
            )
            write_model_cards(folder, data, recipe.pretrain, counts, seed=recipe.training_seed)
        return counts
