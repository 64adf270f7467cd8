"""Sounds of weather, water and animals. Each function makes `duration_s` seconds, new each time."""

from __future__ import annotations

import numpy as np

from earmark.corpora.synthetic import dsp
from earmark.corpora.synthetic.dsp import Wave


def rain(duration_s: float, rng: np.random.Generator) -> Wave:
    """A hiss whose strength wanders, and single drops on top of it."""
    samples = dsp.count(duration_s)
    hiss = dsp.highpass(dsp.noise(samples, rng, slope_db=rng.uniform(1, 3)), 600.0)
    track = 0.5 * hiss * dsp.curve(samples, rng, points_per_s=1.0, low=0.6, high=1.0)
    for start_s in _moments(duration_s, rng.uniform(40, 200), rng):
        drop = dsp.noise(dsp.count(0.012), rng) * dsp.decay(dsp.count(0.012), 0.01)
        dsp.place(track, dsp.highpass(drop, rng.uniform(900, 4000)), start_s, rng.uniform(0, 2))
    return track


def wind(duration_s: float, rng: np.random.Generator) -> Wave:
    """Gusts: bands of noise that swell together, the higher ones only at full strength."""
    samples = dsp.count(duration_s)
    gust = dsp.curve(samples, rng, points_per_s=0.5, low=0.3, high=1.0)
    track = np.zeros(samples)
    for low_hz in (200.0, 350.0, 600.0, 1000.0):
        wander = dsp.curve(samples, rng, points_per_s=1.5, low=0.3, high=1.0)
        band = dsp.bandpass(dsp.noise(samples, rng), low_hz, 1.7 * low_hz)
        track += band * wander * gust ** (low_hz / 300.0) * (150.0 / low_hz) ** 0.5
    howl_hz = rng.uniform(400, 800)
    for shift in (1.0, 1.15, 1.32):
        strength = dsp.curve(samples, rng, points_per_s=1.5, low=0.0, high=1.0) * gust**2
        howl = dsp.resonate(dsp.noise(samples, rng), shift * howl_hz, 25.0)
        track += rng.uniform(0.3, 1.0) * strength * dsp.scale_to_rms(howl, 0.15)
    return track


def thunder(duration_s: float, rng: np.random.Generator) -> Wave:
    """A crack, then a rumble in several waves that grows darker as it rolls away."""
    samples = dsp.count(duration_s)
    start_s = rng.uniform(0.03, 0.2) * duration_s
    after_s = np.maximum(dsp.times(samples) - start_s, 0.0)
    onset = np.minimum(after_s / 0.06, 1.0)
    lumps = dsp.curve(samples, rng, points_per_s=5.0, low=0.15, high=1.0) ** 1.5
    roll = 0.02 + onset * lumps * np.exp(-after_s / (0.45 * duration_s))
    track = dsp.bandpass(dsp.noise(samples, rng), 35.0, 180.0) * roll
    track += 0.6 * dsp.bandpass(dsp.noise(samples, rng), 150.0, 600.0) * roll**1.7
    nearness = rng.uniform(0.1, 1.0)
    for delay_s in rng.exponential(0.25, int(rng.integers(4, 12))):
        length = dsp.count(0.35)
        crack = dsp.noise(length, rng, slope_db=2) * dsp.decay(length, rng.uniform(0.1, 0.35))
        dsp.place(track, crack, start_s + delay_s, nearness * rng.uniform(0.05, 0.5))
    return track


def water_drops(duration_s: float, rng: np.random.Generator) -> Wave:
    """Drops into a pool: bubbles that ring at a rising pitch (Minnaert), in a wet room."""
    track = np.zeros(dsp.count(duration_s))
    for start_s in _moments(duration_s, rng.uniform(1.2, 4.0), rng):
        samples = dsp.count(0.16)
        t = dsp.times(samples)
        rising_hz = rng.uniform(600, 2200) * (1 + rng.uniform(2, 6) * t)
        bubble = np.sin(dsp.phase(rising_hz)) * dsp.decay(samples, rng.uniform(0.05, 0.14))
        gain = rng.uniform(0.3, 1.0)
        dsp.place(track, dsp.fade(bubble, 0.001, 0.01), start_s, gain)
        click = dsp.highpass(dsp.noise(64, rng), 2000.0) * dsp.decay(64, 0.003)
        dsp.place(track, click, start_s, 0.2 * gain)
        for echo in range(1, 4):
            dsp.place(track, bubble, start_s + 0.09 * echo, gain * 0.25**echo)
    return track


def dog(duration_s: float, rng: np.random.Generator) -> Wave:
    """Barks in groups: a rough voice whose pitch arches, through the formants of a muzzle."""
    track = np.zeros(dsp.count(duration_s))
    pitch_hz = rng.uniform(350, 700)
    size = rng.uniform(0.8, 1.3)
    start_s = rng.uniform(0.05, 0.4)
    while start_s < duration_s:
        for _ in range(int(rng.integers(1, 4))):
            dsp.place(track, _bark(pitch_hz * rng.uniform(0.92, 1.08), size, rng), start_s)
            start_s += rng.uniform(0.28, 0.45)
        start_s += rng.uniform(0.3, 0.9)
    return track


def bird(duration_s: float, rng: np.random.Generator) -> Wave:
    """Songs of whistled syllables, each a sweep or a trill, with rests between them."""
    track = np.zeros(dsp.count(duration_s))
    centre_hz = rng.uniform(2300, 4800)
    start_s = rng.uniform(0.0, 0.3)
    while start_s < duration_s:
        sweep, trill_hz = rng.uniform(-0.5, 0.5), rng.choice([0.0, 0.0, 25.0, 40.0])
        length_s, gap_s = rng.uniform(0.05, 0.22), rng.uniform(0.03, 0.12)
        for _ in range(int(rng.integers(1, 7))):
            syllable = _syllable(centre_hz * rng.uniform(0.9, 1.1), sweep, trill_hz, length_s)
            dsp.place(track, syllable, start_s, rng.uniform(0.6, 1.0))
            start_s += length_s + gap_s
        start_s += rng.uniform(0.15, 0.8)
    return track


def _moments(duration_s: float, rate_hz: float, rng: np.random.Generator) -> list[float]:
    """Return the times of a Poisson process."""
    return [float(t) for t in rng.uniform(0, duration_s, rng.poisson(rate_hz * duration_s))]


def _bark(pitch_hz: float, size: float, rng: np.random.Generator) -> Wave:
    samples = dsp.count(rng.uniform(0.12, 0.2))
    course = np.arange(samples) / samples
    angle = dsp.phase(pitch_hz * (0.7 + 0.4 * np.sin(np.pi * course**0.6)))
    voice = sum((tone / n**0.4 for n, tone in dsp.overtones(angle, 12)), np.zeros(samples))
    rough = voice * (1 + dsp.lowpass(dsp.noise(samples, rng), 150.0))
    source = rough + 0.8 * dsp.noise(samples, rng)
    shaped = np.zeros(samples)
    for formant_hz, gain in ((900.0, 1.0), (1500.0, 1.0), (2800.0, 0.7)):
        shaped += gain * dsp.resonate(source, formant_hz / size, 300.0)
    force = np.minimum(course / 0.08, 1.0) * (1 - course) ** 0.7
    return dsp.scale_to_peak(dsp.fade(np.tanh(shaped / 2) * force, 0.003, 0.03), 1.0)


def _syllable(centre_hz: float, sweep: float, trill_hz: float, length_s: float) -> Wave:
    samples = dsp.count(length_s)
    course = np.linspace(-1, 1, samples)
    wobble = 0.06 * np.sin(2 * np.pi * trill_hz * dsp.times(samples))
    angle = dsp.phase(np.minimum(centre_hz * (1 + sweep * course / 2 + wobble), 7000.0))
    return dsp.fade(np.sin(angle) + 0.08 * np.sin(0.5 * angle), 0.012, 0.02)
