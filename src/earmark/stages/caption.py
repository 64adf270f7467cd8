"""Caption each clip: try the captioner, ask it, and read its answers.

Asking and reading are two stages, so that a better rule costs no request.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from earmark.annotate import caption
from earmark.annotate.backends.chat import ChatConfig
from earmark.annotate.jobs.job import BackendConfig, Job
from earmark.annotate.parsing import lint, summary
from earmark.stages.base import (
    BackendStage,
    Counts,
    Folders,
    Stage,
    backend_fingerprint,
    build_canary,
    needs_canary,
)

CANARY_S = 30.0
"""Duration of the canary's long clip for a captioner that states no limit, seconds."""


class CaptionCanaryStage(Stage):
    """Tries the captioner on known sounds; writes a verdict for each."""

    name = "caption-canary"
    limits_rejections = False
    canary_for = "caption-raw"

    def is_enabled(self) -> bool:
        """Return whether the captioner is a model that earmark does not ship."""
        return needs_canary(self.recipe.captioner, self.backends)

    def settings(self) -> Any:
        """Return the captioner's fingerprint."""
        return backend_fingerprint(self.recipe.captioner, self.backends)

    def provenance_settings(self) -> Any:
        """Return the captioner's settings."""
        return self.recipe.captioner

    def run(self, inputs: Folders, folder: Path) -> Counts:
        """Ask about known sounds. Raises StageError where the answers cannot be trusted."""
        from earmark.annotate import canary

        config = self.recipe.captioner
        limit_s = config.max_audio_s if isinstance(config, ChatConfig) else CANARY_S
        return canary.check_captioner(build_canary(config), folder, limit_s=limit_s)


class CaptionRawStage(BackendStage):
    """Asks the captioner about each clip; writes every raw answer."""

    name = "caption-raw"
    inputs = ("scan",)
    table = "captioner"

    @property
    def config(self) -> BackendConfig:
        """The captioner's settings."""
        return self.recipe.captioner

    def settings(self) -> Any:
        """Return the captioner's fingerprint."""
        return backend_fingerprint(self.recipe.captioner, self.backends)

    def job(self, inputs: Folders, folder: Path) -> Job:
        """Return a prompt for each clip; a caption with a fault is asked for once more."""
        clips = inputs["scan"] / "clips.parquet"
        prompt = _prompt_text(self.config)
        return caption.caption_job(clips, self.config, self.recipe.lint, prompt, folder)


class CaptionStage(Stage):
    """Reads captions from the raw answers; writes captions.parquet."""

    name = "caption"
    inputs = ("caption-raw",)

    def settings(self) -> Any:
        """Return the lint's settings, and the versions of the rules."""
        return self.recipe.lint, lint.LINT_VERSION, summary.SUMMARY_VERSION

    def run(self, inputs: Folders, folder: Path) -> Counts:
        """Read each answer."""
        prompt = _prompt_text(self.recipe.captioner)
        return caption.write_captions(inputs["caption-raw"], self.recipe.lint, prompt, folder)


def _prompt_text(config: BackendConfig) -> str:
    """Return the text that a captioner is sent beside the audio; no caption should repeat it."""
    return f"{config.system}\n{config.instruction}" if isinstance(config, ChatConfig) else ""
