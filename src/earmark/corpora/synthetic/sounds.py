"""The fifteen kinds of sound, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from earmark.corpora.synthetic import dsp, nature, objects
from earmark.corpora.synthetic.dsp import Wave

SOUNDS: Mapping[str, Callable[[float, np.random.Generator], Wave]] = {
    "rain": nature.rain,
    "wind": nature.wind,
    "thunder": nature.thunder,
    "water drops": nature.water_drops,
    "dog": nature.dog,
    "bird": nature.bird,
    "knock": objects.knock,
    "footsteps": objects.footsteps,
    "clock": objects.clock,
    "glass": objects.glass,
    "applause": objects.applause,
    "engine": objects.engine,
    "siren": objects.siren,
    "alarm": objects.alarm,
    "telephone": objects.telephone,
}
"""Each makes a wave of a duration in seconds; its level is not yet set."""


def make(kind: str, duration_s: float, rng: np.random.Generator) -> Wave:
    """Make `duration_s` seconds of one kind of sound at an RMS of 0.1."""
    wave = dsp.fade(SOUNDS[kind](duration_s, rng), 0.01, 0.05)
    return dsp.scale_to_rms(wave, 0.1)
