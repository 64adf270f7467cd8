"""Settings of the acoustic captioner. Imports nothing heavy, for recipes are read by every verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from earmark.config import Config, ConfigError

if TYPE_CHECKING:
    from earmark.annotate.backends.acoustic.backend import AcousticBackend

LEAST_SAMPLE_RATE = 16000


class AcousticConfig(Config, frozen=True, kw_only=True, tag="acoustic", tag_field="kind"):
    """A captioner that needs no model server: speech, pitch, rhythm, timbre, level, sound events.

    Args:
        events: name sound events with YAMNet: "on" demands its packages, "auto" uses them where
            they are installed, "off" does without.
        workers: processes; 0 means one for each core.
        sample_rate: what is measured in, Hz, at least 16000. Speech and events are always found at
            16000.
        max_duration_s: longer clips are refused ("too long"), for one caption cannot tell them.
    """

    events: Literal["auto", "on", "off"] = "auto"
    workers: int = 0
    sample_rate: int = LEAST_SAMPLE_RATE
    max_duration_s: float = 300.0

    def build(self) -> AcousticBackend:
        """Check that everything needed is installed and return the backend.

        Raises:
            ConfigError: a package is missing or a setting is out of range.
        """
        from earmark.annotate.backends.acoustic.backend import AcousticBackend

        if self.sample_rate < LEAST_SAMPLE_RATE:
            raise ConfigError(
                f"sample_rate = {self.sample_rate}: give at least {LEAST_SAMPLE_RATE} Hz"
            )
        if self.max_duration_s <= 0:
            raise ConfigError(f"max_duration_s = {self.max_duration_s}: give seconds above 0")
        if self.workers < 0:
            raise ConfigError(
                f"workers = {self.workers}: give a number of processes, or 0 for all cores"
            )
        return AcousticBackend(self)
