"""Build the vocabulary: the tags that the corpus supports, in a lock file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from earmark.stages.base import Counts, Folders, Stage


class VocabularyStage(Stage):
    """Writes vocabulary.json."""

    name = "vocabulary"
    inputs = ("tag",)
    limits_rejections = False

    def settings(self) -> Any:
        """Return the settings, the versions of the rules, and what the named files contain."""
        from earmark.annotate.vocabulary.build import rules_digest

        config = self.recipe.vocabulary
        return replace(config, decisions="", path=""), rules_digest(config)

    def run(self, inputs: Folders, folder: Path) -> Counts:
        """Count the tags and choose among them."""
        from earmark.annotate.vocabulary.build import write_vocabulary
        from earmark.annotate.vocabulary.stats import VocabularyStats

        counts = write_vocabulary([inputs["tag"] / "tags.parquet"], self.recipe.vocabulary, folder)
        for line in VocabularyStats.load(folder).sentences:
            print(f"vocabulary: {line}", file=sys.stderr, flush=True)
        return counts
