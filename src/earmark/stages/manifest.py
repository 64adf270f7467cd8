"""Join clips, captions and tags, encode the tags, and split without leaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from earmark.records import Caption, Clip, TagSet
from earmark.stages.base import Counts, Folders, Stage, label_sets
from earmark.tables import read_parquet


class ManifestStage(Stage):
    """Writes manifest.parquet and the same as Lhotse cuts."""

    name = "manifest"
    inputs = ("scan", "caption", "tag", "vocabulary")
    labels_from = "scan"

    def settings(self) -> Any:
        """Return the manifest's settings and the seed of the split."""
        return self.recipe.manifest, self.recipe.seed

    def check_clips(self, clips: Path) -> None:
        """Check that some clip has each label by which the splits are balanced."""
        from earmark.annotate.splits import check_strata

        if self.recipe.manifest.stratify_by:
            check_strata(self.recipe.manifest.stratify_by, label_sets(clips))

    def run(self, inputs: Folders, folder: Path) -> Counts:
        """Join, encode and split."""
        from earmark.annotate.manifest import build_manifest
        from earmark.annotate.vocabulary import Vocabulary

        return build_manifest(
            read_parquet(inputs["scan"] / "clips.parquet", Clip),
            read_parquet(inputs["caption"] / "captions.parquet", Caption),
            read_parquet(inputs["tag"] / "tags.parquet", TagSet),
            Vocabulary.load(inputs["vocabulary"] / "vocabulary.json"),
            self.recipe.manifest,
            folder,
            seed=self.recipe.seed,
        )
