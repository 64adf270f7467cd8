"""The fifteen kinds of sound: weather, water and animals; people and things; signals.

Each function makes `duration_s` seconds, new each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from earmark.corpora.synthetic import dsp
from earmark.corpora.synthetic.dsp import MAX_PARTIAL_HZ, Wave


def rain(duration_s: float, rng: np.random.Generator) -> Wave:
    """A hiss whose strength wanders, and single drops on top of it."""
    samples = dsp.sample_count(duration_s)
    hiss = dsp.highpass(dsp.noise(samples, rng, slope_db=rng.uniform(1, 3)), 600.0)
    track = 0.5 * hiss * dsp.random_curve(samples, rng, points_per_s=1.0, low=0.6, high=1.0)
    for start_s in _poisson_times_s(duration_s, rng.uniform(40, 200), rng):
        drop = dsp.noise(dsp.sample_count(0.012), rng) * dsp.decay(dsp.sample_count(0.012), 0.01)
        dsp.overlay(track, dsp.highpass(drop, rng.uniform(900, 4000)), start_s, rng.uniform(0, 2))
    return track


def wind(duration_s: float, rng: np.random.Generator) -> Wave:
    """Gusts: bands of noise that swell together, the higher ones only at full strength."""
    samples = dsp.sample_count(duration_s)
    gust = dsp.random_curve(samples, rng, points_per_s=0.5, low=0.3, high=1.0)
    track = np.zeros(samples)
    for low_hz in (200.0, 350.0, 600.0, 1000.0):
        wander = dsp.random_curve(samples, rng, points_per_s=1.5, low=0.3, high=1.0)
        band = dsp.bandpass(dsp.noise(samples, rng), low_hz, 1.7 * low_hz)
        track += band * wander * gust ** (low_hz / 300.0) * (150.0 / low_hz) ** 0.5
    howl_hz = rng.uniform(400, 800)
    for shift in (1.0, 1.15, 1.32):
        strength = dsp.random_curve(samples, rng, points_per_s=1.5, low=0.0, high=1.0) * gust**2
        howl = dsp.resonate(dsp.noise(samples, rng), shift * howl_hz, 25.0)
        track += rng.uniform(0.3, 1.0) * strength * dsp.scale_to_rms(howl, 0.15)
    return track


def thunder(duration_s: float, rng: np.random.Generator) -> Wave:
    """A crack, then a rumble in several waves that grows darker as it rolls away."""
    samples = dsp.sample_count(duration_s)
    start_s = rng.uniform(0.03, 0.2) * duration_s
    after_s = np.maximum(dsp.sample_times(samples) - start_s, 0.0)
    onset = np.minimum(after_s / 0.06, 1.0)
    lumps = dsp.random_curve(samples, rng, points_per_s=5.0, low=0.15, high=1.0) ** 1.5
    roll = 0.02 + onset * lumps * np.exp(-after_s / (0.45 * duration_s))
    track = dsp.bandpass(dsp.noise(samples, rng), 35.0, 180.0) * roll
    track += 0.6 * dsp.bandpass(dsp.noise(samples, rng), 150.0, 600.0) * roll**1.7
    nearness = rng.uniform(0.1, 1.0)
    for delay_s in rng.exponential(0.25, int(rng.integers(4, 12))):
        length = dsp.sample_count(0.35)
        crack = dsp.noise(length, rng, slope_db=2) * dsp.decay(length, rng.uniform(0.1, 0.35))
        dsp.overlay(track, crack, start_s + delay_s, nearness * rng.uniform(0.05, 0.5))
    return track


def water_drops(duration_s: float, rng: np.random.Generator) -> Wave:
    """Drops into a pool: bubbles that ring at a rising pitch (Minnaert), in a wet room."""
    track = np.zeros(dsp.sample_count(duration_s))
    for start_s in _poisson_times_s(duration_s, rng.uniform(1.2, 4.0), rng):
        samples = dsp.sample_count(0.16)
        t = dsp.sample_times(samples)
        rising_hz = rng.uniform(600, 2200) * (1 + rng.uniform(2, 6) * t)
        bubble = np.sin(dsp.integrate_phase(rising_hz)) * dsp.decay(
            samples, rng.uniform(0.05, 0.14)
        )
        gain = rng.uniform(0.3, 1.0)
        dsp.overlay(track, dsp.fade(bubble, 0.001, 0.01), start_s, gain)
        click = dsp.highpass(dsp.noise(64, rng), 2000.0) * dsp.decay(64, 0.003)
        dsp.overlay(track, click, start_s, 0.2 * gain)
        for echo in range(1, 4):
            dsp.overlay(track, bubble, start_s + 0.09 * echo, gain * 0.25**echo)
    return track


def dog(duration_s: float, rng: np.random.Generator) -> Wave:
    """Barks in groups: a rough voice whose pitch arches, through the formants of a muzzle."""
    track = np.zeros(dsp.sample_count(duration_s))
    pitch_hz = rng.uniform(350, 700)
    size = rng.uniform(0.8, 1.3)
    start_s = rng.uniform(0.05, 0.4)
    while start_s < duration_s:
        for _ in range(int(rng.integers(1, 4))):
            dsp.overlay(track, _bark(pitch_hz * rng.uniform(0.92, 1.08), size, rng), start_s)
            start_s += rng.uniform(0.28, 0.45)
        start_s += rng.uniform(0.3, 0.9)
    return track


def bird(duration_s: float, rng: np.random.Generator) -> Wave:
    """Songs of whistled syllables, each a sweep or a trill, with rests between them."""
    track = np.zeros(dsp.sample_count(duration_s))
    centre_hz = rng.uniform(2300, 4800)
    start_s = rng.uniform(0.0, 0.3)
    while start_s < duration_s:
        sweep, trill_hz = rng.uniform(-0.5, 0.5), rng.choice([0.0, 0.0, 25.0, 40.0])
        length_s, gap_s = rng.uniform(0.05, 0.22), rng.uniform(0.03, 0.12)
        for _ in range(int(rng.integers(1, 7))):
            syllable = _syllable(centre_hz * rng.uniform(0.9, 1.1), sweep, trill_hz, length_s)
            dsp.overlay(track, syllable, start_s, rng.uniform(0.6, 1.0))
            start_s += length_s + gap_s
        start_s += rng.uniform(0.15, 0.8)
    return track


def _poisson_times_s(duration_s: float, rate_hz: float, rng: np.random.Generator) -> list[float]:
    """Return the times of a Poisson process."""
    return [float(t) for t in rng.uniform(0, duration_s, rng.poisson(rate_hz * duration_s))]


def _bark(pitch_hz: float, size: float, rng: np.random.Generator) -> Wave:
    samples = dsp.sample_count(rng.uniform(0.12, 0.2))
    course = np.arange(samples) / samples
    angle = dsp.integrate_phase(pitch_hz * (0.7 + 0.4 * np.sin(np.pi * course**0.6)))
    voice = sum((tone / n**0.4 for n, tone in dsp.overtones(angle, 12)), np.zeros(samples))
    rough = voice * (1 + dsp.lowpass(dsp.noise(samples, rng), 150.0))
    source = rough + 0.8 * dsp.noise(samples, rng)
    shaped = np.zeros(samples)
    for formant_hz, gain in ((900.0, 1.0), (1500.0, 1.0), (2800.0, 0.7)):
        shaped += gain * dsp.resonate(source, formant_hz / size, 300.0)
    force = np.minimum(course / 0.08, 1.0) * (1 - course) ** 0.7
    return dsp.scale_to_peak(dsp.fade(np.tanh(shaped / 2) * force, 0.003, 0.03), 1.0)


def _syllable(centre_hz: float, sweep: float, trill_hz: float, length_s: float) -> Wave:
    samples = dsp.sample_count(length_s)
    course = np.linspace(-1, 1, samples)
    wobble = 0.06 * np.sin(2 * np.pi * trill_hz * dsp.sample_times(samples))
    angle = dsp.integrate_phase(np.minimum(centre_hz * (1 + sweep * course / 2 + wobble), 7000.0))
    return dsp.fade(np.sin(angle) + 0.08 * np.sin(0.5 * angle), 0.012, 0.02)


def knock(duration_s: float, rng: np.random.Generator) -> Wave:
    """Groups of knocks on one door: a few wooden modes, damped at once."""
    track = np.zeros(dsp.sample_count(duration_s))
    modes_hz = np.sort(rng.uniform(90, 900, 7))
    pace_s = rng.uniform(0.14, 0.3)
    start_s = rng.uniform(0.05, 0.4)
    while start_s < duration_s:
        for _ in range(int(rng.integers(2, 6))):
            samples = dsp.sample_count(0.2)
            ring_s = 40.0 / modes_hz * rng.uniform(0.5, 0.9)
            door = dsp.strike(samples, modes_hz, (100.0 / modes_hz) ** 0.5, ring_s, rng)
            fist = dsp.lowpass(dsp.noise(samples, rng), 1800.0) * dsp.decay(samples, 0.02)
            dsp.overlay(track, door + 0.8 * fist, start_s, rng.uniform(0.7, 1.0))
            start_s += pace_s * rng.uniform(0.9, 1.1)
        start_s += rng.uniform(0.5, 1.2)
    return track


def footsteps(duration_s: float, rng: np.random.Generator) -> Wave:
    """Heel and toe on a floor that is anything between wood and gravel."""
    track = np.zeros(dsp.sample_count(duration_s))
    pace_s, gravel = rng.uniform(0.42, 0.72), rng.uniform(0.0, 1.0)
    floor_hz = rng.uniform(180, 500)
    start_s = rng.uniform(0.0, 0.3)
    while start_s < duration_s:
        for delay_s, force in ((0.0, 1.0), (rng.uniform(0.08, 0.13), 0.45)):
            step = _footfall(floor_hz * rng.uniform(0.85, 1.15), gravel, rng)
            dsp.overlay(track, step, start_s + delay_s, force * rng.uniform(0.6, 1.0))
        start_s += pace_s * rng.uniform(0.92, 1.08)
    return track


def clock(duration_s: float, rng: np.random.Generator) -> Wave:
    """Tick and tock, strictly regular: a click of metal, heard through a small case."""
    track = np.zeros(dsp.sample_count(duration_s))
    period_s = 1.0 / rng.choice([1.0, 2.0, 2.5, 4.0])
    metal_hz = rng.uniform(2200, 6500, 5)
    case_hz = rng.uniform(700, 1500)
    for number, start_s in enumerate(np.arange(rng.uniform(0, 0.4), duration_s, period_s)):
        samples = dsp.sample_count(0.06)
        shift = 1.0 if number % 2 == 0 else 0.85
        ring = dsp.strike(samples, shift * metal_hz, [0.4] * 5, [0.012] * 5, rng)
        click = dsp.highpass(dsp.noise(samples, rng), 1800.0) * dsp.decay(samples, 0.006)
        case = dsp.resonate(click, shift * case_hz, 150.0)
        tick = ring + click + 3.0 * case
        dsp.overlay(track, tick, float(start_s), rng.uniform(0.85, 1.0))
    return track


def glass(duration_s: float, rng: np.random.Generator) -> Wave:
    """A pane bursts and its shards fall, fewer and fewer."""
    track = np.zeros(dsp.sample_count(duration_s))
    for start_s in np.arange(rng.uniform(0.05, 0.5), duration_s - 0.5, rng.uniform(1.6, 3.5)):
        samples = dsp.sample_count(0.25)
        burst = dsp.highpass(dsp.noise(samples, rng), 1500.0) * dsp.decay(samples, 0.18)
        dsp.overlay(track, burst, float(start_s), 0.6)
        for delay_s in rng.exponential(rng.uniform(0.2, 0.5), int(rng.integers(25, 60))):
            modes_hz = rng.uniform(1800, MAX_PARTIAL_HZ, 3)
            ring_s = rng.uniform(0.05, 0.5, 3)
            shard = dsp.strike(dsp.sample_count(0.35), modes_hz, [1.0, 0.7, 0.5], ring_s, rng)
            dsp.overlay(track, shard, float(start_s + delay_s), rng.uniform(0.05, 0.35))
    return track


def applause(duration_s: float, rng: np.random.Generator) -> Wave:
    """Many hands: every clapper keeps an own pace and an own hollow of the palms."""
    samples = dsp.sample_count(duration_s)
    track = np.zeros(samples)
    for _ in range(int(rng.integers(30, 110))):
        pace_s, hollow_hz = rng.uniform(0.17, 0.33), rng.uniform(800, 2200)
        length = dsp.sample_count(0.03)
        clap = dsp.noise(length, rng) * dsp.decay(length, 0.03)
        clap = dsp.resonate(clap, hollow_hz, 450.0) + 0.03 * clap
        distance = rng.uniform(0.15, 1.0)
        for start_s in np.arange(rng.uniform(0, pace_s), duration_s, pace_s):
            late_s = max(float(start_s) + rng.normal(0, 0.025), 0.0)
            dsp.overlay(track, clap, late_s, distance * rng.uniform(0.6, 1.0))
    return track * dsp.random_curve(samples, rng, points_per_s=0.7, low=0.5, high=1.0)


def engine(duration_s: float, rng: np.random.Generator) -> Wave:
    """Firing strokes at a wandering rate, each a burst of noise through the exhaust pipe."""
    samples = dsp.sample_count(duration_s)
    firing_hz = rng.uniform(25, 80)
    throttle = dsp.random_curve(samples, rng, points_per_s=0.6, low=1.0, high=rng.uniform(1.1, 2.2))
    angle = dsp.integrate_phase(firing_hz * throttle)
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
    samples = dsp.sample_count(duration_s)
    t = dsp.sample_times(samples)
    low_hz, high_hz = rng.uniform(380, 650), rng.uniform(1000, 1600)
    style = int(rng.integers(3))
    period_s = (rng.uniform(2.5, 5.0), rng.uniform(0.25, 0.45), rng.uniform(0.9, 1.4))[style]
    cycle = (t / period_s + rng.random()) % 1.0
    if style == 2:
        frequency_hz = np.where(cycle < 0.5, low_hz, 1.34 * low_hz)
    else:
        rise = np.minimum(cycle / 0.6, (1.0 - cycle) / 0.4)
        frequency_hz = low_hz * (high_hz / low_hz) ** rise
    horn = np.tanh(rng.uniform(1.5, 4.0) * np.sin(dsp.integrate_phase(frequency_hz)))
    return dsp.lowpass(horn, 4000.0) * dsp.random_curve(
        samples, rng, points_per_s=0.4, low=0.4, high=1
    )


def alarm(duration_s: float, rng: np.random.Generator) -> Wave:
    """Electronic beeps at one pitch in a fixed rhythm, such as a wrist watch or a smoke alarm."""
    samples = dsp.sample_count(duration_s)
    pitch_hz = rng.uniform(900, 3400)
    group, on_s = int(rng.integers(1, 5)), rng.uniform(0.06, 0.25)
    rest_s = rng.uniform(0.2, 0.7)
    t = (dsp.sample_times(samples) + rng.uniform(0, 0.5)) % (2 * on_s * group + rest_s)
    sounding = (t < 2 * on_s * group) & (t % (2 * on_s) < on_s)
    gate = dsp.lowpass(sounding.astype(np.float64), 150.0)
    angle = dsp.integrate_phase(np.full(samples, pitch_hz))
    overtone = np.sin(3 * angle) / 3 if 3 * pitch_hz < MAX_PARTIAL_HZ else 0.0
    return gate * (np.sin(angle) + rng.uniform(0, 1) * overtone)


def telephone(duration_s: float, rng: np.random.Generator) -> Wave:
    """Rings and rests: two bells under one clapper, or the warble of an electronic ringer."""
    samples = dsp.sample_count(duration_s)
    t = dsp.sample_times(samples)
    ring_s, rest_s = rng.uniform(0.8, 1.6), rng.uniform(0.5, 1.2)
    ringing = ((t + rng.uniform(0, 0.3)) % (ring_s + rest_s) < ring_s).astype(np.float64)
    rate_hz = rng.uniform(16, 26)
    if rng.random() < 0.5:
        frequency_hz = rng.uniform(800, 1500) * np.where((t * rate_hz) % 1.0 < 0.5, 1.0, 1.25)
        warble = np.tanh(2 * np.sin(dsp.integrate_phase(frequency_hz)))
        return dsp.lowpass(warble, 5000.0) * dsp.lowpass(ringing, 60.0)
    strokes = np.zeros(samples)
    strokes[:: int(dsp.SAMPLE_RATE / rate_hz)] = 1.0
    strokes *= ringing
    bells = np.zeros(samples)
    for mode_hz in rng.uniform(1100, 1500) * np.array([1.0, 1.16, 2.3, 2.75, 4.1]):
        bells += dsp.resonate(strokes, min(mode_hz, 7000.0), rng.uniform(1.5, 6.0))
    return bells


def _footfall(floor_hz: float, gravel: float, rng: np.random.Generator) -> Wave:
    samples = dsp.sample_count(0.16)
    sole = dsp.noise(samples, rng, slope_db=1.5) * dsp.decay(samples, rng.uniform(0.06, 0.12))
    thud = dsp.resonate(sole, floor_hz, 1.2 * floor_hz) + 0.3 * dsp.highpass(sole, 300.0)
    grains = np.where(rng.random(samples) < 0.02, 4.0, 0.6)
    grit = dsp.bandpass(dsp.noise(samples, rng) * grains, 1200.0, 6000.0)
    grit *= dsp.decay(samples, 0.05 + 0.15 * gravel)
    return dsp.fade(thud + (0.15 + 0.4 * gravel) * grit, 0.002, 0.02)


SOUNDS: Mapping[str, Callable[[float, np.random.Generator], Wave]] = {
    "rain": rain,
    "wind": wind,
    "thunder": thunder,
    "water drops": water_drops,
    "dog": dog,
    "bird": bird,
    "knock": knock,
    "footsteps": footsteps,
    "clock": clock,
    "glass": glass,
    "applause": applause,
    "engine": engine,
    "siren": siren,
    "alarm": alarm,
    "telephone": telephone,
}
"""Each makes a wave of a duration in seconds; its level is not yet set."""


def render_sound(kind: str, duration_s: float, rng: np.random.Generator) -> Wave:
    """Make `duration_s` seconds of one kind of sound at an RMS of 0.1."""
    wave = dsp.fade(SOUNDS[kind](duration_s, rng), 0.01, 0.05)
    return dsp.scale_to_rms(wave, 0.1)
