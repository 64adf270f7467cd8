"""Pre-train the encoder; several processes that torchrun started may share the work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from earmark.annotate.backends.registry import told_name
from earmark.pretrain.config import shaping
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
        return recipe.encoder, recipe.objective, recipe.training_seed, shaping(recipe.pretrain)

    def check(self) -> None:
        """Check the packages and the device."""
        from earmark.pretrain.objectives.targets import check_pretraining

        check_pretraining(self.recipe.pretrain, self.recipe.encoder, self.recipe.objective)

    def check_clips(self, clips: Path) -> None:
        """Check that some clip has the labels or the captions that the objective learns from."""
        from earmark.pretrain.objectives.targets import check_supervision, offered, wants_corpus

        if wants_corpus(self.recipe.objective):
            rows = stream_parquet(clips / "clips.parquet", Clip)
            check_supervision(self.recipe.objective, offered(rows))

    def process_group(self) -> ProcessGroup:
        """Return this process's rank among those that torchrun started."""
        world = world_from_environment()
        return ProcessGroup(world.rank, world.size, "torchrun")

    def run(self, inputs: Folders, folder: Path) -> Counts:
        """Train; the first process writes the model cards."""
        from earmark.annotate.manifest import licences_used
        from earmark.annotate.vocabulary import Vocabulary
        from earmark.pretrain.checkpoint.model_card import describe_data, write_cards
        from earmark.pretrain.loop.trainer import pretrain
        from earmark.pretrain.objectives.targets import without_unread_texts

        recipe = self.recipe
        rows = stream_parquet(inputs["manifest"] / "manifest.parquet", Example)
        # Captions of hundreds of words are most of a manifest, and few objectives read them.
        required = recipe.pretrain.requires
        examples = [without_unread_texts(row, recipe.objective, required) for row in rows]
        vocabulary = Vocabulary.load(inputs["vocabulary"] / "vocabulary.json")
        settings = (recipe.encoder, recipe.objective, recipe.pretrain)
        counts = pretrain(examples, vocabulary, *settings, folder, seed=recipe.training_seed)
        if self.process_group().rank == 0:
            data = describe_data(
                examples,
                licences=licences_used(inputs["manifest"]),
                captioner=told_name(recipe.captioner),
                tagger=told_name(recipe.tagger),
            )
            write_cards(folder, data, recipe.pretrain, counts, seed=recipe.training_seed)
        return counts
