"""List the corpus: which clips there are, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from earmark.corpora.base import list_corpus
from earmark.stages.base import Counts, Folders, Stage
from earmark.tables import TOTAL_KEYS
from earmark.workspace import StageError


class CorpusStage(Stage):
    """Writes sources.parquet, and rejected.parquet for rows that cannot be used."""

    name = "corpus"
    limits_rejections = False  # a folder may hold any number of files that are no audio
    lists_corpus = True

    def settings(self) -> Any:
        """Return what the corpus would list, as its files are now."""
        return self.recipe.corpus.build().fingerprint()

    def run(self, inputs: Folders, folder: Path) -> Counts:
        """List the corpus. Raises StageError where nothing of it can be used."""
        counts = list_corpus(self.recipe.corpus.build(), folder)
        if counts["in"] and not counts["out"]:
            reasons = ", ".join(f"{n} {why}" for why, n in counts.items() if why not in TOTAL_KEYS)
            raise StageError(
                f"corpus: none of {counts['in']} rows can be used ({reasons}). "
                f"{folder / 'rejected.parquet'} gives the reason for each row; of a table, paths "
                'that leave its own folder need corpus.audio_root ("/" allows all).'
            )
        return counts
