"""Sounds of people and things: steps, knocks, clocks, glass, hands, engines, and what calls."""

from __future__ import annotations

import numpy as np

from earmark.corpora.synthetic import dsp
from earmark.corpora.synthetic.dsp import NYQUIST_MARGIN_HZ, Wave


def knock(duration_s: float, rng: np.random.Generator) -> Wave:
    """Groups of knocks on one door: a few wooden modes, damped at once."""
    track = np.zeros(dsp.count(duration_s))
    modes_hz = np.sort(rng.uniform(90, 900, 7))
    pace_s = rng.uniform(0.14, 0.3)
    start_s = rng.uniform(0.05, 0.4)
    while start_s < duration_s:
        for _ in range(int(rng.integers(2, 6))):
            samples = dsp.count(0.2)
            ring_s = 40.0 / modes_hz * rng.uniform(0.5, 0.9)
            door = dsp.strike(samples, modes_hz, (100.0 / modes_hz) ** 0.5, ring_s, rng)
            fist = dsp.lowpass(dsp.noise(samples, rng), 1800.0) * dsp.decay(samples, 0.02)
            dsp.place(track, door + 0.8 * fist, start_s, rng.uniform(0.7, 1.0))
            start_s += pace_s * rng.uniform(0.9, 1.1)
        start_s += rng.uniform(0.5, 1.2)
    return track


def footsteps(duration_s: float, rng: np.random.Generator) -> Wave:
    """Heel and toe on a floor that is anything between wood and gravel."""
    track = np.zeros(dsp.count(duration_s))
    pace_s, gravel = rng.uniform(0.42, 0.72), rng.uniform(0.0, 1.0)
    floor_hz = rng.uniform(180, 500)
    start_s = rng.uniform(0.0, 0.3)
    while start_s < duration_s:
        for delay_s, force in ((0.0, 1.0), (rng.uniform(0.08, 0.13), 0.45)):
            step = _footfall(floor_hz * rng.uniform(0.85, 1.15), gravel, rng)
            dsp.place(track, step, start_s + delay_s, force * rng.uniform(0.6, 1.0))
        start_s += pace_s * rng.uniform(0.92, 1.08)
    return track


def clock(duration_s: float, rng: np.random.Generator) -> Wave:
    """Tick and tock, strictly regular: a click of metal, heard through a small case."""
    track = np.zeros(dsp.count(duration_s))
    period_s = 1.0 / rng.choice([1.0, 2.0, 2.5, 4.0])
    metal_hz = rng.uniform(2200, 6500, 5)
    case_hz = rng.uniform(700, 1500)
    for number, start_s in enumerate(np.arange(rng.uniform(0, 0.4), duration_s, period_s)):
        samples = dsp.count(0.06)
        shift = 1.0 if number % 2 == 0 else 0.85
        ring = dsp.strike(samples, shift * metal_hz, [0.4] * 5, [0.012] * 5, rng)
        click = dsp.highpass(dsp.noise(samples, rng), 1800.0) * dsp.decay(samples, 0.006)
        case = dsp.resonate(click, shift * case_hz, 150.0)
        tick = ring + click + 3.0 * case
        dsp.place(track, tick, float(start_s), rng.uniform(0.85, 1.0))
    return track


def glass(duration_s: float, rng: np.random.Generator) -> Wave:
    """A pane bursts and its shards fall, fewer and fewer."""
    track = np.zeros(dsp.count(duration_s))
    for start_s in np.arange(rng.uniform(0.05, 0.5), duration_s - 0.5, rng.uniform(1.6, 3.5)):
        samples = dsp.count(0.25)
        burst = dsp.highpass(dsp.noise(samples, rng), 1500.0) * dsp.decay(samples, 0.18)
        dsp.place(track, burst, float(start_s), 0.6)
        for delay_s in rng.exponential(rng.uniform(0.2, 0.5), int(rng.integers(25, 60))):
            modes_hz = rng.uniform(1800, NYQUIST_MARGIN_HZ, 3)
            ring_s = rng.uniform(0.05, 0.5, 3)
            shard = dsp.strike(dsp.count(0.35), modes_hz, [1.0, 0.7, 0.5], ring_s, rng)
            dsp.place(track, shard, float(start_s + delay_s), rng.uniform(0.05, 0.35))
    return track


def applause(duration_s: float, rng: np.random.Generator) -> Wave:
    """Many hands: every clapper keeps an own pace and an own hollow of the palms."""
    samples = dsp.count(duration_s)
    track = np.zeros(samples)
    for _ in range(int(rng.integers(30, 110))):
        pace_s, hollow_hz = rng.uniform(0.17, 0.33), rng.uniform(800, 2200)
        length = dsp.count(0.03)
        clap = dsp.noise(length, rng) * dsp.decay(length, 0.03)
        clap = dsp.resonate(clap, hollow_hz, 450.0) + 0.03 * clap
        distance = rng.uniform(0.15, 1.0)
        for start_s in np.arange(rng.uniform(0, pace_s), duration_s, pace_s):
            late_s = max(float(start_s) + rng.normal(0, 0.025), 0.0)
            dsp.place(track, clap, late_s, distance * rng.uniform(0.6, 1.0))
    return track * dsp.curve(samples, rng, points_per_s=0.7, low=0.5, high=1.0)


def engine(duration_s: float, rng: np.random.Generator) -> Wave:
    """Firing strokes at a wandering rate, each a burst of noise through the exhaust pipe."""
    samples = dsp.count(duration_s)
    firing_hz = rng.uniform(25, 80)
    throttle = dsp.curve(samples, rng, points_per_s=0.6, low=1.0, high=rng.uniform(1.1, 2.2))
    angle = dsp.phase(firing_hz * throttle)
    # Cylinders differ a little: the pattern of strokes repeats after four of them.
    uneven = 1 + 0.3 * np.sin(angle / 4 + rng.uniform(0, 6)) + 0.2 * np.sin(angle / 2)
    stroke = np.exp(3.0 * (np.cos(angle) - 1)) * uneven
    source = stroke * (1.0 + 0.7 * dsp.noise(samples, rng)) - stroke.mean()
    track = dsp.lowpass(source, 250.0)
    for pipe_hz in rng.uniform([90, 250, 600], [160, 450, 1200]):
        track += rng.uniform(0.5, 1.2) * dsp.resonate(source, float(pipe_hz), 0.35 * pipe_hz)
    hiss = dsp.bandpass(dsp.noise(samples, rng), 300.0, 3000.0)
    return (track + rng.uniform(0.03, 0.12) * hiss) * throttle


def siren(duration_s: float, rng: np.random.Generator) -> Wave:
    """An emergency vehicle: a slow wail, a quick yelp or two alternating tones."""
    samples = dsp.count(duration_s)
    t = dsp.times(samples)
    low_hz, high_hz = rng.uniform(380, 650), rng.uniform(1000, 1600)
    style = int(rng.integers(3))
    period_s = (rng.uniform(2.5, 5.0), rng.uniform(0.25, 0.45), rng.uniform(0.9, 1.4))[style]
    cycle = (t / period_s + rng.random()) % 1.0
    if style == 2:
        frequency_hz = np.where(cycle < 0.5, low_hz, 1.34 * low_hz)
    else:
        rise = np.minimum(cycle / 0.6, (1.0 - cycle) / 0.4)
        frequency_hz = low_hz * (high_hz / low_hz) ** rise
    horn = np.tanh(rng.uniform(1.5, 4.0) * np.sin(dsp.phase(frequency_hz)))
    return dsp.lowpass(horn, 4000.0) * dsp.curve(samples, rng, points_per_s=0.4, low=0.4, high=1)


def alarm(duration_s: float, rng: np.random.Generator) -> Wave:
    """Electronic beeps at one pitch in a fixed rhythm, such as a wrist watch or a smoke alarm."""
    samples = dsp.count(duration_s)
    pitch_hz = rng.uniform(900, 3400)
    group, on_s = int(rng.integers(1, 5)), rng.uniform(0.06, 0.25)
    rest_s = rng.uniform(0.2, 0.7)
    t = (dsp.times(samples) + rng.uniform(0, 0.5)) % (2 * on_s * group + rest_s)
    sounding = (t < 2 * on_s * group) & (t % (2 * on_s) < on_s)
    gate = dsp.lowpass(sounding.astype(np.float64), 150.0)
    angle = dsp.phase(np.full(samples, pitch_hz))
    overtone = np.sin(3 * angle) / 3 if 3 * pitch_hz < NYQUIST_MARGIN_HZ else 0.0
    return gate * (np.sin(angle) + rng.uniform(0, 1) * overtone)


def telephone(duration_s: float, rng: np.random.Generator) -> Wave:
    """Rings and rests: two bells under one clapper, or the warble of an electronic ringer."""
    samples = dsp.count(duration_s)
    t = dsp.times(samples)
    ring_s, rest_s = rng.uniform(0.8, 1.6), rng.uniform(0.5, 1.2)
    ringing = ((t + rng.uniform(0, 0.3)) % (ring_s + rest_s) < ring_s).astype(np.float64)
    rate_hz = rng.uniform(16, 26)
    if rng.random() < 0.5:
        frequency_hz = rng.uniform(800, 1500) * np.where((t * rate_hz) % 1.0 < 0.5, 1.0, 1.25)
        warble = np.tanh(2 * np.sin(dsp.phase(frequency_hz)))
        return dsp.lowpass(warble, 5000.0) * dsp.lowpass(ringing, 60.0)
    strokes = np.zeros(samples)
    strokes[:: int(dsp.SAMPLE_RATE / rate_hz)] = 1.0
    strokes *= ringing
    bells = np.zeros(samples)
    for mode_hz in rng.uniform(1100, 1500) * np.array([1.0, 1.16, 2.3, 2.75, 4.1]):
        bells += dsp.resonate(strokes, min(mode_hz, 7000.0), rng.uniform(1.5, 6.0))
    return bells


def _footfall(floor_hz: float, gravel: float, rng: np.random.Generator) -> Wave:
    samples = dsp.count(0.16)
    sole = dsp.noise(samples, rng, slope_db=1.5) * dsp.decay(samples, rng.uniform(0.06, 0.12))
    thud = dsp.resonate(sole, floor_hz, 1.2 * floor_hz) + 0.3 * dsp.highpass(sole, 300.0)
    grains = np.where(rng.random(samples) < 0.02, 4.0, 0.6)
    grit = dsp.bandpass(dsp.noise(samples, rng) * grains, 1200.0, 6000.0)
    grit *= dsp.decay(samples, 0.05 + 0.15 * gravel)
    return dsp.fade(thud + (0.15 + 0.4 * gravel) * grit, 0.002, 0.02)
