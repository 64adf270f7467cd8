"""The synthetic corpus: its settings, its rows, and how its files are rendered in processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Float32
from msgspec import Meta

from earmark.config import (
    Config,
    ConfigError,
    NonNegativeInt,
    Package,
    PositiveInt,
    check_packages,
    fingerprint,
)
from earmark.corpora.base import Corpus
from earmark.corpora.synthetic import dsp
from earmark.corpora.synthetic.captions import describe_clip
from earmark.corpora.synthetic.dsp import SAMPLE_RATE, Wave
from earmark.corpora.synthetic.effects import EFFECTS
from earmark.corpora.synthetic.music import compose, perform
from earmark.corpora.synthetic.plan import (
    ClipPlan,
    Part,
    RandomStream,
    SoundPart,
    SpeechPart,
    plan_clip,
    stream_rng,
)
from earmark.corpora.synthetic.sounds import render_sound
from earmark.corpora.synthetic.speech import render_speech
from earmark.progress import Progress, track
from earmark.records import Rejected, Source

GENERATOR_VERSION = 2
"""Raised by every change that alters a single sample, label or caption of any clip."""

LICENSE = "CC0-1.0 (synthetic)"

ATTRIBUTION = "made by earmark"

SPEECH_ATTRIBUTION = "made by earmark with espeak-ng (GPL-3.0 software; its output is not covered)"

MAX_SEED = 2**32 - 1

ClipSeconds = Annotated[float, Meta(ge=2, le=60)]


class SyntheticConfig(Config, frozen=True, kw_only=True, tag="synthetic", tag_field="kind"):
    """Speech, music, sounds and mixes, made on the spot with true labels and a true caption each.

    About 35 % of the clips are speech, 30 % music, 20 % sounds and 15 % mixes; half of all clips
    have a production trait (reverberation, telephone, noise, clipping, quiet).

    Args:
        clips: how many to make. Clip i is the same whatever the number.
        seed: 0 to 2**32 - 1; another seed gives another corpus.
        shortest_s, longest_s: bounds of a clip's duration, 2 to 60 seconds.
        workers: processes that make clips; 0 is one for each processor. The result is the same.
    """

    clips: PositiveInt = 720
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)] = 0
    shortest_s: ClipSeconds = 3.0
    longest_s: ClipSeconds = 8.0
    workers: NonNegativeInt = 0

    @property
    def packages(self) -> tuple[Package, ...]:
        """A voice."""
        return (Package("espeakng_loader", "synthetic"),)

    def check(self) -> None:
        """Refuse bounds between which there is no duration. Raises ConfigError."""
        if self.shortest_s >= self.longest_s:
            raise ConfigError(
                f"shortest_s = {self.shortest_s} should be below longest_s = {self.longest_s}"
            )

    def build(self) -> Corpus:
        """Return the corpus; nothing is made yet.

        Raises:
            ConfigError: the extra `synthetic` is not installed.
        """
        check_packages(self, "corpus")
        return SyntheticCorpus(self)


@dataclass(frozen=True)
class SyntheticCorpus(Corpus):
    """Clips that are made when their rows are first asked for, and kept in the folder."""

    config: SyntheticConfig

    def fingerprint(self) -> str:
        """Return a digest of what decides the samples: the settings and the generator."""
        config = self.config
        return fingerprint(
            "synthetic",
            GENERATOR_VERSION,
            config.clips,
            config.seed,
            config.shortest_s,
            config.longest_s,
        )

    def rows(self, folder: Path) -> Iterator[Source | Rejected]:
        """Make the clips that are not yet in `folder`/audio, then yield all rows by index."""
        config = self.config
        plans = [_plan_index(config, index) for index in range(config.clips)]
        missing = [plan.index for plan in plans if not (folder / plan.name).exists()]
        if missing:
            (folder / "audio").mkdir(parents=True, exist_ok=True)
            with track("corpus", total=len(missing)) as progress:
                _render_missing(config, missing, folder, progress)
        for plan in plans:
            yield _source_row(plan, config.seed, folder)


def _render_missing(
    config: SyntheticConfig, indices: Sequence[int], folder: Path, progress: Progress
) -> None:
    workers = min(config.workers or os.cpu_count() or 1, len(indices))
    if workers == 1:
        for index in indices:
            _render_index(config, index, folder)
            progress.advance()
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_end_with_parent
    ) as pool:
        futures = [pool.submit(_render_index, config, index, folder) for index in indices]
        try:
            for future in futures:
                future.result()
                progress.advance()
        except BaseException:
            # Without this, Ctrl-C would wait for every clip that is still in the queue.
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """Make a worker stop when its parent is killed; it would wait for work for ever."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _render_index(config: SyntheticConfig, index: int, folder: Path) -> None:

    plan = _plan_index(config, index)
    write_clip(plan, config.seed, config.shortest_s, config.longest_s, folder / plan.name)


def _plan_index(config: SyntheticConfig, index: int) -> ClipPlan:
    return plan_clip(config.seed, index, config.shortest_s, config.longest_s)


def _source_row(plan: ClipPlan, seed: int, folder: Path) -> Source:
    return Source(
        path=str(folder / plan.name),
        name=plan.name,
        labels=plan.labels(),
        recording=plan.recording,
        speaker=plan.speaker,
        licence=LICENSE,
        attribution=SPEECH_ATTRIBUTION if plan.speaker else ATTRIBUTION,
        original_captions=(describe_clip(plan, seed),),
    )


SECOND_PART_DB = (-12.0, 0.0)
"""Level of the second part of a mix, relative to the first."""

ROOM_TONE_DBFS = (-75.0, -60.0)
"""No recording is digitally silent between its sounds."""


def render_clip(
    plan: ClipPlan, seed: int, shortest_s: float, longest_s: float
) -> Float32[np.ndarray, " samples"]:
    """Make the sound that `plan` describes: mono at 16 kHz within [-1, 1]."""
    rng = stream_rng(seed, RandomStream.RENDERING, plan.index)
    first, *others = plan.parts
    wave = _render_part(first, seed, plan.duration_s, longest_s, rng)
    wave = np.pad(wave, (0, max(dsp.sample_count(shortest_s) - len(wave), 0)))
    wave = dsp.scale_to_rms(wave, 0.1)
    for part in others:
        under = _render_part(part, seed, len(wave) / SAMPLE_RATE, longest_s, rng)
        wave = wave + dsp.scale_to_rms(under, 0.1 * dsp.db_to_gain(rng.uniform(*SECOND_PART_DB)))
    tone = dsp.noise(len(wave), rng, slope_db=3.0)
    wave = wave + dsp.db_to_gain(rng.uniform(*ROOM_TONE_DBFS)) * tone
    return EFFECTS[plan.production](wave, rng).astype(np.float32)


def write_clip(plan: ClipPlan, seed: int, shortest_s: float, longest_s: float, path: Path) -> None:
    """Render a clip to 16-bit FLAC; the file appears whole or not at all."""
    import soundfile

    wave = render_clip(plan, seed, shortest_s, longest_s)
    temporary = path.with_name(path.name + ".tmp")
    soundfile.write(temporary, wave, SAMPLE_RATE, subtype="PCM_16", format="FLAC")
    os.replace(temporary, path)


def _render_part(
    part: Part,
    seed: int,
    duration_s: float,
    longest_s: float,
    rng: np.random.Generator,
) -> Wave:
    if isinstance(part, SpeechPart):
        return render_speech(part.speaker, duration_s, longest_s, rng)
    if isinstance(part, SoundPart):
        return render_sound(part.sound, duration_s, rng)
    writing = stream_rng(seed, RandomStream.COMPOSITION, part.composition)
    piece = compose(part.tempo, part.mode, longest_s, writing)
    return perform(piece, part.instrument, part.drums, duration_s, rng)
