"""A drum kit and the patterns that it plays."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from . import waves
from .waves import Wave

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
    samples = waves.count(0.3)
    t = waves.times(samples)
    sweep_hz = rng.uniform(45, 58) + rng.uniform(70, 120) * np.exp(-t / 0.03)
    return waves.fade(np.sin(waves.phase(sweep_hz)) * waves.decay(samples, 0.3), 0.002, 0.02)


def snare(rng: np.random.Generator) -> Wave:
    """Two skin modes and the rattle of the wires."""
    samples = waves.count(0.22)
    skin = waves.strike(samples, [185.0, 331.0], [1.0, 0.6], [0.12, 0.09], rng)
    wires = waves.highpass(waves.noise(samples, rng), 1400.0) * waves.decay(samples, 0.2)
    return 0.5 * skin + 0.35 * wires


def hat(rng: np.random.Generator) -> Wave:
    """Metal: noise above 5 kHz, gone at once."""
    samples = waves.count(0.09)
    return 0.3 * waves.highpass(waves.noise(samples, rng), 5000.0) * waves.decay(samples, 0.08)


def tom(rng: np.random.Generator) -> Wave:
    """A tuned skin that sags a little in pitch."""
    samples = waves.count(0.35)
    sag_hz = rng.uniform(90, 160) * (1 + 0.25 * waves.decay(samples, 0.2))
    return 0.8 * np.sin(waves.phase(sag_hz)) * waves.decay(samples, 0.35)


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
    track = np.zeros(waves.count(duration_s))
    step_s = 60.0 / tempo_bpm / STEPS_A_BEAT
    for drum, bar in PATTERNS[pattern].items():
        for step in range(int(duration_s / step_s) + 1):
            if bar[step % len(bar)] == "x":
                start_s = step * step_s + abs(rng.normal(0, 0.004))
                waves.place(track, KIT[drum](rng), start_s, rng.uniform(0.6, 1.0))
    return track
