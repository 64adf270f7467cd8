"""From a plan to a file of sound."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from earmark.corpora.synthetic import dsp
from earmark.corpora.synthetic.dsp import SAMPLE_RATE, Wave
from earmark.corpora.synthetic.effects import TRAITS
from earmark.corpora.synthetic.music import compose, perform
from earmark.corpora.synthetic.plan import ClipPlan, Part, SoundPart, SpeechPart, Stream, generator
from earmark.corpora.synthetic.sounds import make
from earmark.corpora.synthetic.speech import speak

UNDER_DB = (-12.0, 0.0)
"""Level of the second part of a mix, relative to the first."""
ROOM_TONE_DBFS = (-75.0, -60.0)
"""No recording is digitally silent between its sounds."""


def render_clip(
    plan: ClipPlan, seed: int, shortest_s: float, longest_s: float
) -> Float32[np.ndarray, " samples"]:
    """Make the sound that `plan` describes: mono at 16 kHz within [-1, 1]."""
    rng = generator(seed, Stream.RENDERING, plan.index)
    first, *others = plan.parts
    wave = _render_part(first, seed, plan.duration_s, longest_s, rng)
    wave = np.pad(wave, (0, max(dsp.count(shortest_s) - len(wave), 0)))
    wave = dsp.scale_to_rms(wave, 0.1)
    for part in others:
        under = _render_part(part, seed, len(wave) / SAMPLE_RATE, longest_s, rng)
        wave = wave + dsp.scale_to_rms(under, 0.1 * dsp.decibels(rng.uniform(*UNDER_DB)))
    tone = dsp.noise(len(wave), rng, slope_db=3.0)
    wave = wave + dsp.decibels(rng.uniform(*ROOM_TONE_DBFS)) * tone
    return TRAITS[plan.production](wave, rng).astype(np.float32)


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
        return speak(part.speaker, duration_s, longest_s, rng)
    if isinstance(part, SoundPart):
        return make(part.sound, duration_s, rng)
    writing = generator(seed, Stream.COMPOSITION, part.composition)
    piece = compose(part.tempo, part.mode, longest_s, writing)
    return perform(piece, part.instrument, part.drums, duration_s, rng)
