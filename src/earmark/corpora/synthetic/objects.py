"""Sounds of people and things: steps, knocks, clocks, glass, hands, engines, and what calls."""

from __future__ import annotations

import numpy as np

from . import waves
from .waves import NYQUIST_MARGIN_HZ, Wave


def knock(duration_s: float, rng: np.random.Generator) -> Wave:
    """Groups of knocks on one door: a few wooden modes, damped at once."""
    track = np.zeros(waves.count(duration_s))
    modes_hz = np.sort(rng.uniform(90, 900, 7))
    pace_s = rng.uniform(0.14, 0.3)
    start_s = rng.uniform(0.05, 0.4)
    while start_s < duration_s:
        for _ in range(int(rng.integers(2, 6))):
            samples = waves.count(0.2)
            ring_s = 40.0 / modes_hz * rng.uniform(0.5, 0.9)
            door = waves.strike(samples, modes_hz, (100.0 / modes_hz) ** 0.5, ring_s, rng)
            fist = waves.lowpass(waves.noise(samples, rng), 1800.0) * waves.decay(samples, 0.02)
            waves.place(track, door + 0.8 * fist, start_s, rng.uniform(0.7, 1.0))
            start_s += pace_s * rng.uniform(0.9, 1.1)
        start_s += rng.uniform(0.5, 1.2)
    return track


def footsteps(duration_s: float, rng: np.random.Generator) -> Wave:
    """Heel and toe on a floor that is anything between wood and gravel."""
    track = np.zeros(waves.count(duration_s))
    pace_s, gravel = rng.uniform(0.42, 0.72), rng.uniform(0.0, 1.0)
    floor_hz = rng.uniform(180, 500)
    start_s = rng.uniform(0.0, 0.3)
    while start_s < duration_s:
        for delay_s, force in ((0.0, 1.0), (rng.uniform(0.08, 0.13), 0.45)):
            step = _footfall(floor_hz * rng.uniform(0.85, 1.15), gravel, rng)
            waves.place(track, step, start_s + delay_s, force * rng.uniform(0.6, 1.0))
        start_s += pace_s * rng.uniform(0.92, 1.08)
    return track


def clock(duration_s: float, rng: np.random.Generator) -> Wave:
    """Tick and tock, strictly regular: a click of metal, heard through a small case."""
    track = np.zeros(waves.count(duration_s))
    period_s = 1.0 / rng.choice([1.0, 2.0, 2.5, 4.0])
    metal_hz = rng.uniform(2200, 6500, 5)
    case_hz = rng.uniform(700, 1500)
    for number, start_s in enumerate(np.arange(rng.uniform(0, 0.4), duration_s, period_s)):
        samples = waves.count(0.06)
        shift = 1.0 if number % 2 == 0 else 0.85
        ring = waves.strike(samples, shift * metal_hz, [0.4] * 5, [0.012] * 5, rng)
        click = waves.highpass(waves.noise(samples, rng), 1800.0) * waves.decay(samples, 0.006)
        case = waves.resonate(click, shift * case_hz, 150.0)
        tick = ring + click + 3.0 * case
        waves.place(track, tick, float(start_s), rng.uniform(0.85, 1.0))
    return track


def glass(duration_s: float, rng: np.random.Generator) -> Wave:
    """A pane bursts and its shards fall, fewer and fewer."""
    track = np.zeros(waves.count(duration_s))
    for start_s in np.arange(rng.uniform(0.05, 0.5), duration_s - 0.5, rng.uniform(1.6, 3.5)):
        samples = waves.count(0.25)
        burst = waves.highpass(waves.noise(samples, rng), 1500.0) * waves.decay(samples, 0.18)
        waves.place(track, burst, float(start_s), 0.6)
        for delay_s in rng.exponential(rng.uniform(0.2, 0.5), int(rng.integers(25, 60))):
            modes_hz = rng.uniform(1800, NYQUIST_MARGIN_HZ, 3)
            ring_s = rng.uniform(0.05, 0.5, 3)
            shard = waves.strike(waves.count(0.35), modes_hz, [1.0, 0.7, 0.5], ring_s, rng)
            waves.place(track, shard, float(start_s + delay_s), rng.uniform(0.05, 0.35))
    return track


def applause(duration_s: float, rng: np.random.Generator) -> Wave:
    """Many hands: every clapper keeps an own pace and an own hollow of the palms."""
    samples = waves.count(duration_s)
    track = np.zeros(samples)
    for _ in range(int(rng.integers(30, 110))):
        pace_s, hollow_hz = rng.uniform(0.17, 0.33), rng.uniform(800, 2200)
        length = waves.count(0.03)
        clap = waves.noise(length, rng) * waves.decay(length, 0.03)
        clap = waves.resonate(clap, hollow_hz, 450.0) + 0.03 * clap
        distance = rng.uniform(0.15, 1.0)
        for start_s in np.arange(rng.uniform(0, pace_s), duration_s, pace_s):
            late_s = max(float(start_s) + rng.normal(0, 0.025), 0.0)
            waves.place(track, clap, late_s, distance * rng.uniform(0.6, 1.0))
    return track * waves.curve(samples, rng, points_per_s=0.7, low=0.5, high=1.0)


def engine(duration_s: float, rng: np.random.Generator) -> Wave:
    """Firing strokes at a wandering rate, each a burst of noise through the exhaust pipe."""
    samples = waves.count(duration_s)
    firing_hz = rng.uniform(25, 80)
    throttle = waves.curve(samples, rng, points_per_s=0.6, low=1.0, high=rng.uniform(1.1, 2.2))
    angle = waves.phase(firing_hz * throttle)
    # Cylinders differ a little: the pattern of strokes repeats after four of them.
    uneven = 1 + 0.3 * np.sin(angle / 4 + rng.uniform(0, 6)) + 0.2 * np.sin(angle / 2)
    stroke = np.exp(3.0 * (np.cos(angle) - 1)) * uneven
    source = stroke * (1.0 + 0.7 * waves.noise(samples, rng)) - stroke.mean()
    track = waves.lowpass(source, 250.0)
    for pipe_hz in rng.uniform([90, 250, 600], [160, 450, 1200]):
        track += rng.uniform(0.5, 1.2) * waves.resonate(source, float(pipe_hz), 0.35 * pipe_hz)
    hiss = waves.bandpass(waves.noise(samples, rng), 300.0, 3000.0)
    return (track + rng.uniform(0.03, 0.12) * hiss) * throttle


def siren(duration_s: float, rng: np.random.Generator) -> Wave:
    """An emergency vehicle: a slow wail, a quick yelp or two alternating tones."""
    samples = waves.count(duration_s)
    t = waves.times(samples)
    low_hz, high_hz = rng.uniform(380, 650), rng.uniform(1000, 1600)
    style = int(rng.integers(3))
    period_s = (rng.uniform(2.5, 5.0), rng.uniform(0.25, 0.45), rng.uniform(0.9, 1.4))[style]
    cycle = (t / period_s + rng.random()) % 1.0
    if style == 2:
        frequency_hz = np.where(cycle < 0.5, low_hz, 1.34 * low_hz)
    else:
        rise = np.minimum(cycle / 0.6, (1.0 - cycle) / 0.4)
        frequency_hz = low_hz * (high_hz / low_hz) ** rise
    horn = np.tanh(rng.uniform(1.5, 4.0) * np.sin(waves.phase(frequency_hz)))
    return waves.lowpass(horn, 4000.0) * waves.curve(
        samples, rng, points_per_s=0.4, low=0.4, high=1
    )


def alarm(duration_s: float, rng: np.random.Generator) -> Wave:
    """Electronic beeps at one pitch in a fixed rhythm, such as a wrist watch or a smoke alarm."""
    samples = waves.count(duration_s)
    pitch_hz = rng.uniform(900, 3400)
    group, on_s = int(rng.integers(1, 5)), rng.uniform(0.06, 0.25)
    rest_s = rng.uniform(0.2, 0.7)
    t = (waves.times(samples) + rng.uniform(0, 0.5)) % (2 * on_s * group + rest_s)
    sounding = (t < 2 * on_s * group) & (t % (2 * on_s) < on_s)
    gate = waves.lowpass(sounding.astype(np.float64), 150.0)
    angle = waves.phase(np.full(samples, pitch_hz))
    overtone = np.sin(3 * angle) / 3 if 3 * pitch_hz < NYQUIST_MARGIN_HZ else 0.0
    return gate * (np.sin(angle) + rng.uniform(0, 1) * overtone)


def telephone(duration_s: float, rng: np.random.Generator) -> Wave:
    """Rings and rests: two bells under one clapper, or the warble of an electronic ringer."""
    samples = waves.count(duration_s)
    t = waves.times(samples)
    ring_s, rest_s = rng.uniform(0.8, 1.6), rng.uniform(0.5, 1.2)
    ringing = ((t + rng.uniform(0, 0.3)) % (ring_s + rest_s) < ring_s).astype(np.float64)
    rate_hz = rng.uniform(16, 26)
    if rng.random() < 0.5:
        frequency_hz = rng.uniform(800, 1500) * np.where((t * rate_hz) % 1.0 < 0.5, 1.0, 1.25)
        warble = np.tanh(2 * np.sin(waves.phase(frequency_hz)))
        return waves.lowpass(warble, 5000.0) * waves.lowpass(ringing, 60.0)
    strokes = np.zeros(samples)
    strokes[:: int(waves.SAMPLE_RATE / rate_hz)] = 1.0
    strokes *= ringing
    bells = np.zeros(samples)
    for mode_hz in rng.uniform(1100, 1500) * np.array([1.0, 1.16, 2.3, 2.75, 4.1]):
        bells += waves.resonate(strokes, min(mode_hz, 7000.0), rng.uniform(1.5, 6.0))
    return bells


def _footfall(floor_hz: float, gravel: float, rng: np.random.Generator) -> Wave:
    samples = waves.count(0.16)
    sole = waves.noise(samples, rng, slope_db=1.5) * waves.decay(samples, rng.uniform(0.06, 0.12))
    thud = waves.resonate(sole, floor_hz, 1.2 * floor_hz) + 0.3 * waves.highpass(sole, 300.0)
    grains = np.where(rng.random(samples) < 0.02, 4.0, 0.6)
    grit = waves.bandpass(waves.noise(samples, rng) * grains, 1200.0, 6000.0)
    grit *= waves.decay(samples, 0.05 + 0.15 * gravel)
    return waves.fade(thud + (0.15 + 0.4 * gravel) * grit, 0.002, 0.02)
