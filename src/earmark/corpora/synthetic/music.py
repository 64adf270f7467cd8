"""Little pieces: a chord progression, a melody over it, an accompaniment, and perhaps a drum kit.

The composition (the notes) and its performance (the instrument, the small liberties) come from two
generators, so that one composition can be performed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from earmark.corpora.synthetic import dsp
from earmark.corpora.synthetic.dsp import Wave
from earmark.corpora.synthetic.instruments import INSTRUMENTS, Instrument, Note

STEPS_PER_BEAT = 4

DRUM_PATTERNS: tuple[Mapping[str, str], ...] = (
    {"kick": "x.......x.......", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
    {"kick": "x..x....x..x....", "snare": "....x.......x..x", "hat": "x.xxx.x.x.xxx.x."},
    {"kick": "x...x...x...x...", "snare": "....x.......x...", "hat": "..x...x...x...x."},
    {"kick": "x.....x...x.....", "snare": "....x.......x...", "hat": "xxxxxxxxxxxxxxxx"},
    {"kick": "x.......x.x.....", "tom": "....x.x.....x.xx", "hat": "x...x...x...x..."},
)
"""Bars of four beats in sixteenth notes."""


def kick(rng: np.random.Generator) -> Wave:
    """A skin whose pitch falls from 150 to 50 Hz within a few hundredths of a second."""
    samples = dsp.sample_count(0.3)
    t = dsp.sample_times(samples)
    sweep_hz = rng.uniform(45, 58) + rng.uniform(70, 120) * np.exp(-t / 0.03)
    return dsp.fade(np.sin(dsp.integrate_phase(sweep_hz)) * dsp.decay(samples, 0.3), 0.002, 0.02)


def snare(rng: np.random.Generator) -> Wave:
    """Two skin modes and the rattle of the wires."""
    samples = dsp.sample_count(0.22)
    skin = dsp.strike(samples, [185.0, 331.0], [1.0, 0.6], [0.12, 0.09], rng)
    wires = dsp.highpass(dsp.noise(samples, rng), 1400.0) * dsp.decay(samples, 0.2)
    return 0.5 * skin + 0.35 * wires


def hat(rng: np.random.Generator) -> Wave:
    """Metal: noise above 5 kHz, gone at once."""
    samples = dsp.sample_count(0.09)
    return 0.3 * dsp.highpass(dsp.noise(samples, rng), 5000.0) * dsp.decay(samples, 0.08)


def tom(rng: np.random.Generator) -> Wave:
    """A tuned skin that sags a little in pitch."""
    samples = dsp.sample_count(0.35)
    sag_hz = rng.uniform(90, 160) * (1 + 0.25 * dsp.decay(samples, 0.2))
    return 0.8 * np.sin(dsp.integrate_phase(sag_hz)) * dsp.decay(samples, 0.35)


DRUM_SOUNDS: Mapping[str, Callable[[np.random.Generator], Wave]] = {
    "kick": kick,
    "snare": snare,
    "hat": hat,
    "tom": tom,
}


def play_pattern(
    duration_s: float, tempo_bpm: float, pattern: int, rng: np.random.Generator
) -> Wave:
    """Repeat one of `DRUM_PATTERNS` for `duration_s`; each hit has a force and a small delay."""
    track = np.zeros(dsp.sample_count(duration_s))
    step_s = 60.0 / tempo_bpm / STEPS_PER_BEAT
    for drum, bar in DRUM_PATTERNS[pattern].items():
        for step in range(int(duration_s / step_s) + 1):
            if bar[step % len(bar)] == "x":
                start_s = step * step_s + abs(rng.normal(0, 0.004))
                dsp.overlay(track, DRUM_SOUNDS[drum](rng), start_s, rng.uniform(0.6, 1.0))
    return track


DRUMS = "drums"
"""The instrument of pieces for the drum kit alone."""

TEMPOS_BPM: Mapping[str, tuple[float, float]] = {
    "slow": (60.0, 82.0),
    "medium": (96.0, 124.0),
    "fast": (140.0, 180.0),
}

SCALES: Mapping[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
}

PROGRESSIONS: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "major": ((0, 4, 5, 3), (0, 3, 4, 0), (0, 5, 3, 4), (0, 3, 0, 4)),
    "minor": ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 6), (0, 3, 6, 2)),
}

RHYTHMS: tuple[tuple[float, ...], ...] = (
    (1.0, 1.0),
    (0.5, 0.5, 1.0),
    (1.0, 0.5, 0.5),
    (0.5, 0.5, 0.5, 0.5),
    (1.5, 0.5),
    (2.0,),
)
"""Lengths of melody notes in two beats."""

ACCOMPANIMENTS = ("block", "broken", "roots")

BEATS_PER_CHORD = 2


@dataclass(frozen=True)
class ScoreNote:
    """A note of the score: when and how long in beats, its scale degree (7 an octave), its force.

    Degree 0 is the tonic; negative degrees lie below it.
    """

    start: float
    length: float
    degree: int
    force: float


@dataclass(frozen=True)
class Composition:
    """Notes that do not yet know their instrument. `pattern` is the drummer's."""

    tempo_bpm: float
    mode: str
    transposition: int
    events: tuple[ScoreNote, ...]
    pattern: int


def compose(tempo: str, mode: str, longest_s: float, rng: np.random.Generator) -> Composition:
    """Write enough music for `longest_s` seconds in a tempo class and a mode."""
    tempo_bpm = rng.uniform(*TEMPOS_BPM[tempo])
    progressions = PROGRESSIONS[mode]
    progression = progressions[int(rng.integers(len(progressions)))]
    style = ACCOMPANIMENTS[int(rng.integers(len(ACCOMPANIMENTS)))]
    events: list[ScoreNote] = []
    degree = int(rng.choice([7, 9, 11]))
    for chord in range(int(longest_s * tempo_bpm / 60 / BEATS_PER_CHORD) + 1):
        root = progression[chord % len(progression)]
        start = float(chord * BEATS_PER_CHORD)
        events += _accompaniment(style, root, start)
        phrase, degree = _melody(root, degree, start, rng)
        events += phrase
    transposition = int(rng.integers(0, 12))
    return Composition(
        tempo_bpm, mode, transposition, tuple(events), int(rng.integers(len(DRUM_PATTERNS)))
    )


def perform(
    piece: Composition,
    instrument: str,
    drums: bool,
    duration_s: float,
    rng: np.random.Generator,
) -> Wave:
    """Play a composition for `duration_s` on one instrument, with or without the drum kit.

    The instrument "drums" plays the kit's part alone.
    """
    track = np.zeros(dsp.sample_count(duration_s))
    if instrument != DRUMS:
        _play_notes(track, piece, INSTRUMENTS[instrument], rng)
        track = dsp.scale_to_rms(track, 0.1)
    if drums or instrument == DRUMS:
        beat = play_pattern(duration_s, piece.tempo_bpm, piece.pattern, rng)
        track += dsp.scale_to_rms(beat, rng.uniform(0.05, 0.1))
    return dsp.fade(track, 0.005, 0.15)


def _play_notes(
    track: Wave, piece: Composition, instrument: Instrument, rng: np.random.Generator
) -> None:
    beat_s = 60.0 / piece.tempo_bpm
    brightness = rng.uniform(-1.0, 1.0)
    tuning = 2 ** (rng.uniform(-15, 15) / 1200)
    for event in piece.events:
        start_s = event.start * beat_s + abs(rng.normal(0, 0.006))
        if start_s * dsp.SAMPLE_RATE >= len(track):
            continue
        midi = instrument.lowest + piece.transposition + _semitones(piece.mode, event.degree)
        frequency_hz = 440.0 * 2 ** ((midi - 69) / 12) * tuning
        note = Note(frequency_hz, 0.92 * event.length * beat_s, brightness)
        dsp.overlay(track, instrument.play(note, rng), start_s, event.force * rng.uniform(0.8, 1))


def _accompaniment(style: str, root: int, start: float) -> Sequence[ScoreNote]:
    if style == "roots":
        return [ScoreNote(start, float(BEATS_PER_CHORD), root - 7, 0.7)]
    triad = [root, root + 2, root + 4]
    if style == "block":
        return [ScoreNote(start, float(BEATS_PER_CHORD), degree, 0.35) for degree in triad]
    order = (triad[0], triad[2], triad[1], triad[2])
    return [ScoreNote(start + 0.5 * step, 0.5, degree, 0.45) for step, degree in enumerate(order)]


def _melody(
    root: int, degree: int, start: float, rng: np.random.Generator
) -> tuple[list[ScoreNote], int]:
    """Walk by small steps from `degree`; the first note of each chord belongs to the chord."""
    events: list[ScoreNote] = []
    for length in RHYTHMS[int(rng.integers(len(RHYTHMS)))]:
        degree += int(rng.choice([-2, -1, -1, 1, 1, 2]))
        degree = min(max(degree, 5), 13)
        if not events:
            degree = min((root + tone for tone in (7, 9, 11, 4)), key=lambda d: abs(d - degree))
        events.append(ScoreNote(start, length, degree, 0.9))
        start += length
    return events, degree


def _semitones(mode: str, degree: int) -> int:
    octave, step = divmod(degree, 7)
    return 12 * octave + SCALES[mode][step]
