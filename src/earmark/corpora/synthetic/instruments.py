"""Eleven pitched instruments, each a model of how its sound comes about.

Additive spectra (piano, organ, flute, clarinet, trumpet, violin), a plucked string (Karplus and
Strong, "Digital Synthesis of Plucked-String and Drum Timbres", 1983), frequency modulation
(Chowning, "The Synthesis of Complex Audio Spectra by Means of Frequency Modulation", 1973), struck
bars (modal synthesis) and subtractive synthesis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from earmark.corpora.synthetic import dsp
from earmark.corpora.synthetic.dsp import MAX_PARTIAL_HZ, Wave


@dataclass(frozen=True)
class Note:
    """A note to be played. `brightness` lies in [-1, 1] and belongs to the whole performance."""

    frequency_hz: float
    duration_s: float
    brightness: float


@dataclass(frozen=True)
class Instrument:
    """`play` renders one note (it may ring on after its duration) with a level of about 0.1 RMS.

    `lowest` is the MIDI number of the lowest tonic that melodies are written on.
    """

    play: Callable[[Note, np.random.Generator], Wave]
    lowest: int


def piano(note: Note, rng: np.random.Generator) -> Wave:
    """Two stiff strings a hair apart: stretched partials, the higher the sooner gone, and a thump.

    The hammer strikes at an eighth of the string, which silences every eighth partial.
    """
    samples = dsp.sample_count(note.duration_s + 0.35)
    order = np.arange(1, 30)
    partials_hz = note.frequency_hz * order * np.sqrt(1 + 0.0004 * order**2)
    softness = 0.10 - 0.03 * note.brightness
    levels = (np.abs(np.sin(np.pi * order / 8.0)) + 0.03) * np.exp(-softness * order) / order**0.8
    ring_s = 7.0 * (260.0 / note.frequency_hz) ** 0.6 / (1 + 0.12 * order)
    strings = dsp.strike(samples, partials_hz, levels, ring_s, rng)
    strings += 0.6 * dsp.strike(samples, 1.0006 * partials_hz, levels, 0.4 * ring_s, rng)
    thump = dsp.bandpass(dsp.noise(samples, rng), 80.0, 500.0) * dsp.decay(samples, 0.08)
    return _damp_release(strings + 0.25 * thump, note, 0.3)


def guitar(note: Note, rng: np.random.Generator) -> Wave:
    """A plucked string: a noise burst that circles through a delay and a smoothing average."""
    from scipy.signal import lfilter

    samples = dsp.sample_count(note.duration_s + 0.4)
    period = dsp.SAMPLE_RATE / note.frequency_hz
    delay = int(period - 1)
    # Smoothing delays by one sample, interpolation by the fraction: the string stays in tune.
    fraction = period - 1 - delay
    smoothing = np.convolve([0.07, 0.86, 0.07], [1 - fraction, fraction])
    loss = 0.997 - 0.003 * (note.frequency_hz / 440.0)
    feedback = np.concatenate([[1.0], np.zeros(delay - 1), -loss * smoothing])
    pluck = np.zeros(samples)
    burst = dsp.noise(delay, rng)
    pluck[:delay] = dsp.lowpass(burst - burst.mean(), 2600.0 * 2**note.brightness, order=1)
    string = np.asarray(lfilter([1.0], feedback, pluck))
    body = string + 0.8 * dsp.resonate(string, 105.0, 30.0) + dsp.resonate(string, 210.0, 40.0)
    return _damp_release(body, note, 0.25)


def organ(note: Note, rng: np.random.Generator) -> Wave:
    """Drawbars: fixed sine pipes at 16', 8', 5 1/3', 4', 2 2/3', 2' and 1', without any decay."""
    drawbars = {0.5: 0.5, 1.0: 1.0, 1.5: 0.35, 2.0: 0.8, 3.0: 0.5, 4.0: 0.5, 8.0: 0.25}
    levels = [a * (1 + 0.5 * note.brightness) if n > 2 else a for n, a in drawbars.items()]
    tremolo_hz = rng.uniform(5.5, 6.8)
    sound = _sum_partials(note, list(drawbars), levels, rng)
    sound *= 1 + 0.12 * np.sin(2 * np.pi * tremolo_hz * dsp.sample_times(len(sound)))
    return dsp.scale_to_rms(dsp.fade(sound, 0.008, 0.03), 0.1)


def flute(note: Note, rng: np.random.Generator) -> Wave:
    """Almost a sine, breath noise around it, a soft start and a vibrato of loudness."""
    levels = [1.0, 0.25 * 2**note.brightness, 0.08, 0.03]
    sound = _sum_partials(note, [1, 2, 3, 4], levels, rng, vibrato_cents=8.0)
    low_hz = min(note.frequency_hz * 0.9, 5000.0)
    breath = dsp.bandpass(dsp.noise(len(sound), rng), low_hz, min(4 * low_hz, 7500.0))
    chiff = 1 + 3 * dsp.decay(len(sound), 0.12)
    loudness = 1 + 0.18 * np.sin(2 * np.pi * rng.uniform(4.5, 5.8) * dsp.sample_times(len(sound)))
    blown = sound * loudness + 0.09 * dsp.scale_to_rms(breath, dsp.rms(sound)) * chiff
    return dsp.scale_to_rms(dsp.fade(blown, 0.07, 0.09), 0.1)


def clarinet(note: Note, rng: np.random.Generator) -> Wave:
    """A cylinder closed at one end: odd harmonics, hardly any even ones."""
    order = np.arange(1, 20)
    levels = np.where(order % 2 == 1, 1.0, 0.06) * order ** (-1.15 + 0.3 * note.brightness)
    sound = _sum_partials(note, order, levels, rng, vibrato_cents=2.0)
    return dsp.scale_to_rms(dsp.fade(sound, 0.035, 0.05), 0.1)


def trumpet(note: Note, rng: np.random.Generator) -> Wave:
    """Brass: the louder the brighter, so high harmonics come late and go early."""
    samples = dsp.sample_count(note.duration_s)
    t = dsp.sample_times(samples)
    swell = (1 - np.exp(-t / 0.045)) * (1 - 0.2 * t / (t[-1] + 0.1))
    sound = np.zeros(samples)
    angle = _fundamental_phase(note, samples, rng, vibrato_cents=10.0, scoop_cents=-40.0)
    for order, overtone in dsp.overtones(angle, _highest_harmonic(note, 21)):
        formant = np.exp(-(np.log(order * note.frequency_hz / 1400.0) ** 2) / 1.1)
        steepness = 0.3 + 0.12 * order * (1 - 0.3 * note.brightness)
        sound += (0.1 + formant) * swell**steepness * overtone
    return dsp.scale_to_rms(dsp.fade(sound * swell, 0.012, 0.06), 0.1)


def violin(note: Note, rng: np.random.Generator) -> Wave:
    """A bowed string: a sawtooth with vibrato through the resonances of a body, and bow noise."""
    order = np.arange(1, 30)
    levels = order ** (-1.0 + 0.2 * note.brightness)
    sound = _sum_partials(note, order, levels, rng, vibrato_cents=22.0)
    sound += 0.04 * dsp.highpass(dsp.noise(len(sound), rng), 1500.0)
    body = 0.25 * sound
    for frequency_hz, bandwidth_hz in ((280, 60), (460, 80), (1100, 250), (2600, 700)):
        body += dsp.resonate(sound, frequency_hz, bandwidth_hz)
    return dsp.scale_to_rms(dsp.fade(body, 0.09, 0.08), 0.1)


def bell(note: Note, rng: np.random.Generator) -> Wave:
    """Frequency modulation with an inharmonic ratio; carrier and index die away together."""
    samples = dsp.sample_count(note.duration_s + 1.2)
    t = dsp.sample_times(samples)
    fading = dsp.decay(samples, 4.0)
    ratio = 3.5 if note.frequency_hz < 900.0 else 1.4
    index = (3.0 + note.brightness) * dsp.decay(samples, 2.2)
    modulator = index * np.sin(2 * np.pi * ratio * note.frequency_hz * t)
    carrier = np.sin(2 * np.pi * note.frequency_hz * t + modulator)
    hum = 0.3 * np.sin(2 * np.pi * 0.5 * note.frequency_hz * t + rng.uniform(0, 6.28))
    return dsp.scale_to_peak(dsp.fade((carrier + hum) * fading, 0.002, 0.3), 0.3)


def marimba(note: Note, rng: np.random.Generator) -> Wave:
    """A wooden bar tuned 1 : 4 : 10, dry within half a second, and the knock of the mallet."""
    samples = dsp.sample_count(0.7)
    ring_s = 0.9 * (300.0 / note.frequency_hz) ** 0.4
    modes = [note.frequency_hz * ratio for ratio in (1.0, 3.93, 9.6)]
    levels = [1.0, 0.3 * 2**note.brightness, 0.1]
    bar = dsp.strike(samples, modes, levels, [ring_s, ring_s / 4, ring_s / 10], rng)
    mallet = dsp.bandpass(dsp.noise(samples, rng), 300.0, 1500.0) * dsp.decay(samples, 0.025)
    return dsp.scale_to_peak(bar + 0.3 * mallet, 0.4)


def bass(note: Note, rng: np.random.Generator) -> Wave:
    """A synthesiser's bass: a sawtooth whose harmonics close down after each attack."""
    samples = dsp.sample_count(note.duration_s)
    angle = _fundamental_phase(note, samples, rng)
    opening = 0.12 + (0.5 + 0.2 * note.brightness) * dsp.decay(samples, 0.5)
    sound = np.zeros(samples)
    for n, overtone in dsp.overtones(angle, _highest_harmonic(note, 25)):
        sound += overtone / n / (1 + (n / (25 * opening)) ** 4)
    return dsp.scale_to_rms(dsp.fade(sound, 0.006, 0.04), 0.12)


def synthesizer(note: Note, rng: np.random.Generator) -> Wave:
    """A pad of three detuned sawtooths under a slowly opening filter."""
    samples = dsp.sample_count(note.duration_s + 0.15)
    sound = np.zeros(samples)
    sweep = dsp.random_curve(samples, rng, points_per_s=1.5, low=3.0, high=9.0) * 2**note.brightness
    for cents in (-11.0, 1.0, 12.0):
        detuned = Note(note.frequency_hz * 2 ** (cents / 1200), note.duration_s, note.brightness)
        angle = _fundamental_phase(detuned, samples, rng)
        for n, overtone in dsp.overtones(angle, _highest_harmonic(note, 16)):
            sound += overtone / n / (1 + (n / sweep) ** 4)
    return dsp.scale_to_rms(dsp.fade(sound, 0.1, 0.15), 0.1)


INSTRUMENTS: Mapping[str, Instrument] = {
    "piano": Instrument(piano, 48),
    "guitar": Instrument(guitar, 43),
    "organ": Instrument(organ, 48),
    "flute": Instrument(flute, 65),
    "clarinet": Instrument(clarinet, 52),
    "trumpet": Instrument(trumpet, 55),
    "violin": Instrument(violin, 58),
    "bell": Instrument(bell, 65),
    "marimba": Instrument(marimba, 53),
    "bass": Instrument(bass, 29),
    "synthesizer": Instrument(synthesizer, 50),
}


def _sum_partials(
    note: Note,
    ratios: ArrayLike,
    levels: ArrayLike,
    rng: np.random.Generator,
    *,
    vibrato_cents: float = 0.0,
) -> Wave:
    """Sum sine partials at multiples of the note's frequency for as long as it lasts."""
    samples = dsp.sample_count(note.duration_s)
    angle = _fundamental_phase(note, samples, rng, vibrato_cents=vibrato_cents)
    sound = np.zeros(samples)
    partials = np.stack([np.asarray(ratios, float), np.asarray(levels, float)], axis=1)
    for ratio, level in partials:
        if ratio * note.frequency_hz < MAX_PARTIAL_HZ:
            sound += level * np.sin(ratio * angle)
    return sound


def _highest_harmonic(note: Note, limit: int) -> int:
    """Return the order of the highest harmonic that can sound, at most `limit`."""
    return max(min(int(MAX_PARTIAL_HZ / note.frequency_hz / 1.02), limit), 1)


def _fundamental_phase(
    note: Note,
    samples: int,
    rng: np.random.Generator,
    *,
    vibrato_cents: float = 0.0,
    scoop_cents: float = 0.0,
) -> Wave:
    """Return the phase of the fundamental: random start, vibrato that grows, scoop into pitch."""
    t = dsp.sample_times(samples)
    rate_hz = rng.uniform(4.8, 6.2)
    growing = np.minimum(t / 0.35, 1.0)
    cents = vibrato_cents * growing * np.sin(2 * np.pi * rate_hz * t + rng.uniform(0, 2 * np.pi))
    cents += scoop_cents * np.exp(-t / 0.03)
    return dsp.integrate_phase(note.frequency_hz * 2 ** (cents / 1200)) + rng.uniform(0, 2 * np.pi)


def _damp_release(sound: Wave, note: Note, damping_s: float) -> Wave:
    """Damp a struck string when its key is let go."""
    level = dsp.scale_to_peak(sound, 0.4)
    released = np.maximum(dsp.sample_times(len(level)) - note.duration_s, 0.0)
    return dsp.fade(level * np.exp(-6.9 * released / damping_s), 0.001, 0.02)
