"""Compare tags and vocabulary with human labels, label lists and another tagger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from earmark.stages.base import Counts, Folders, Stage, label_sets, tagger_settings


class AuditStage(Stage):
    """Writes tables of agreement and coverage; runs for `earmark audit` alone."""

    name = "audit"
    inputs = ("scan", "tag", "vocabulary")
    limits_rejections = False
    on_demand = True
    labels_from = "scan"

    def settings(self) -> Any:
        """Return what is compared with what, and all that can change either side."""
        from earmark.annotate.audit import results
        from earmark.annotate.audit.captions import inputs_digest

        config = self.recipe.audit
        other = None if config.against is None else tagger_settings(config.against, self.backends)
        settings = replace(config, against=None), inputs_digest(config)
        tagger = tagger_settings(self.recipe.tagger, self.backends)
        return *settings, tagger, other, self.recipe.seed, results.AUDIT_VERSION

    def provenance_settings(self) -> Any:
        """Return the audit's settings."""
        return self.recipe.audit

    def check(self) -> None:
        """Check the files, the second tagger and the packages."""
        from earmark.annotate.audit.config import check_audit

        check_audit(self.recipe.audit)

    def check_clips(self, clips: Path) -> None:
        """Check that some clip has each label field that is compared."""
        from earmark.annotate.audit.config import check_fields

        if self.recipe.audit.fields:
            labels = label_sets(clips)
            check_fields(self.recipe.audit.fields, {field for row in labels for field in row})

    def run(self, inputs: Folders, folder: Path) -> Counts:
        """Compare."""
        from earmark.annotate.audit.run import run_audit
        from earmark.annotate.vocabulary import Vocabulary

        return run_audit(
            inputs["scan"] / "clips.parquet",
            inputs["tag"] / "tags.parquet",
            Vocabulary.load(inputs["vocabulary"] / "vocabulary.json"),
            self.recipe.audit,
            self.recipe.tagger,
            self.recipe.execute,
            folder,
            seed=self.recipe.seed,
        )
