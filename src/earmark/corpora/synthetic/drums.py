"""A drum kit and the patterns that it plays."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from earmark.corpora.synthetic import dsp
from earmark.corpora.synthetic.dsp import Wave

STEPS_A_BEAT = 4
PATTERNS: tuple[Mapping[str, str], ...] = (
    {"kick": "x.......x.......", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
    {"kick": "x..x....x..x....", "snare": "....x.......x..x", "hat": "x.xxx.x.x.xxx.x."},
    {"kick": "x...x...x...x...", "snare": "....x.......x...", "hat": "..x...x...x...x."},
    {"kick": "x.....x...x.....", "snare": "....x.......x...", "hat": "xxxxxxxxxxxxxxxx"},
    {"kick": "x.......x.x.....", "tom": "....x.x.....x.xx", "hat": "x...x...x...x..."},
)
"""Bars of four beats in sixteenth notes."""


def kick(rng: np.random.Generator) -> Wave:
    """A skin whose pitch falls from 150 to 50 Hz within a few hundredths of a second."""
    samples = dsp.count(0.3)
    t = dsp.times(samples)
    sweep_hz = rng.uniform(45, 58) + rng.uniform(70, 120) * np.exp(-t / 0.03)
    return dsp.fade(np.sin(dsp.phase(sweep_hz)) * dsp.decay(samples, 0.3), 0.002, 0.02)


def snare(rng: np.random.Generator) -> Wave:
    """Two skin modes and the rattle of the wires."""
    samples = dsp.count(0.22)
    skin = dsp.strike(samples, [185.0, 331.0], [1.0, 0.6], [0.12, 0.09], rng)
    wires = dsp.highpass(dsp.noise(samples, rng), 1400.0) * dsp.decay(samples, 0.2)
    return 0.5 * skin + 0.35 * wires


def hat(rng: np.random.Generator) -> Wave:
    """Metal: noise above 5 kHz, gone at once."""
    samples = dsp.count(0.09)
    return 0.3 * dsp.highpass(dsp.noise(samples, rng), 5000.0) * dsp.decay(samples, 0.08)


def tom(rng: np.random.Generator) -> Wave:
    """A tuned skin that sags a little in pitch."""
    samples = dsp.count(0.35)
    sag_hz = rng.uniform(90, 160) * (1 + 0.25 * dsp.decay(samples, 0.2))
    return 0.8 * np.sin(dsp.phase(sag_hz)) * dsp.decay(samples, 0.35)


KIT: Mapping[str, Callable[[np.random.Generator], Wave]] = {
    "kick": kick,
    "snare": snare,
    "hat": hat,
    "tom": tom,
}


def play_pattern(
    duration_s: float, tempo_bpm: float, pattern: int, rng: np.random.Generator
) -> Wave:
    """Repeat one of `PATTERNS` for `duration_s`, each hit with its own force and small delay."""
    track = np.zeros(dsp.count(duration_s))
    step_s = 60.0 / tempo_bpm / STEPS_A_BEAT
    for drum, bar in PATTERNS[pattern].items():
        for step in range(int(duration_s / step_s) + 1):
            if bar[step % len(bar)] == "x":
                start_s = step * step_s + abs(rng.normal(0, 0.004))
                dsp.place(track, KIT[drum](rng), start_s, rng.uniform(0.6, 1.0))
    return track
