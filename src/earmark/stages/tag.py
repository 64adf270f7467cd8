"""Tag each caption: try the tagger, ask it, and parse its answers.

Asking and parsing are two stages, so that a better parser costs no request.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from earmark.annotate import tag
from earmark.annotate.jobs.job import BackendConfig, Job
from earmark.annotate.parsing import tags
from earmark.stages.base import (
    BackendStage,
    Counts,
    Folders,
    Stage,
    build_canary,
    needs_canary,
    tagger_settings,
)


class TagCanaryStage(Stage):
    """Tries the tagger on known captions; writes a verdict for each."""

    name = "tag-canary"
    limits_rejections = False
    canary_for = "tag-raw"

    def is_enabled(self) -> bool:
        """Return whether the tagger is a model that earmark does not ship."""
        return needs_canary(self.recipe.tagger, self.backends)

    def settings(self) -> Any:
        """Return the tagger's fingerprint."""
        return tagger_settings(self.recipe.tagger, self.backends)

    def provenance_settings(self) -> Any:
        """Return the tagger's settings."""
        return self.recipe.tagger

    def run(self, inputs: Folders, folder: Path) -> Counts:
        """Ask about known captions. Raises StageError where the answers cannot be trusted."""
        from earmark.annotate import canary

        backend = build_canary(self.recipe.tagger)
        return canary.check_tagger(backend, folder, readable=tag.has_tags)


class TagRawStage(BackendStage):
    """Asks the tagger about each caption; writes every raw answer."""

    name = "tag-raw"
    inputs = ("caption",)
    table = "tagger"

    @property
    def config(self) -> BackendConfig:
        """The tagger's settings."""
        return self.recipe.tagger

    def settings(self) -> Any:
        """Return the tagger's fingerprint."""
        return tagger_settings(self.recipe.tagger, self.backends)

    def job(self, inputs: Folders, folder: Path) -> Job:
        """Return a prompt for each caption; an unreadable answer is asked for once more."""
        return tag.tag_job(inputs["caption"] / "captions.parquet", self.config, folder)


class TagStage(Stage):
    """Parses tags from the raw answers; writes tags.parquet."""

    name = "tag"
    inputs = ("tag-raw",)

    def settings(self) -> Any:
        """Return the version of the parser."""
        return tags.TAG_PARSER_VERSION

    def run(self, inputs: Folders, folder: Path) -> Counts:
        """Parse each answer."""
        counts = tag.write_tags(inputs["tag-raw"], folder)
        print(tag.read_parse_report(folder), file=sys.stderr, flush=True)
        return counts
