"""The second paragraph: pitch, colour, shape in time and pulse of what is heard."""

from __future__ import annotations

from earmark.annotate.backends.acoustic.findings import Findings
from earmark.annotate.backends.acoustic.naming import Kind
from earmark.annotate.backends.acoustic.wording import (
    count,
    frequency,
    hertz,
    joined,
    listed,
    predicates,
    sentence,
)


def character(f: Findings) -> list[str]:
    """Return the sentences that say how it sounds; none where nothing is remarkable."""
    if f.kind is Kind.SILENCE:
        return []
    courses = (*_manner(f), *_shape(f), *_pulse(f))
    lines = [*_pitch(f), *_colour(f), *predicates(courses, "it is", "it is also")]
    return [sentence(line) for line in lines]


def _pitch(f: Findings) -> list[str]:
    t, melody = f.traits, f.measured.melody
    if melody.median_hz is None or not (t.contour or t.register):
        return []
    at, spread = hertz(melody.median_hz), count(round(melody.spread_semitones or 0.0))
    is_where = " and ".join(joined(t.register, t.contour))
    if t.contour in ("gliding", "melodic"):
        return [f"it is {is_where}, over {spread} semitones {at}"]
    return [f.choose("pitch", f"it is {is_where}, {at}", f"{at}, it is {is_where}")]


def _colour(f: Findings) -> list[str]:
    t = f.traits
    overtones = "rich in overtones" if t.overtones == "rich" else t.overtones
    words = joined(t.texture, t.brightness, t.balance, f.manner.colour, overtones)
    colour, where = listed(words), f"mostly below {frequency(f.measured.timbre.rolloff_hz)}"
    lines = [
        f.choose(
            "colour",
            f"it sounds {colour}, {where}",
            f"it comes across as {colour}, {where}",
        )
        if words
        else f"it lies {where}"
    ]
    if t.harmony and t.key:
        lines.append(f"it is {t.harmony} and in {t.key}")
    elif t.harmony:
        lines.append(f"it is {t.harmony}")
    elif t.key:
        lines.append(f"it is in {t.key}")
    if f.manner.swing:
        lines.append("it has vibrato")
    return lines


def _manner(f: Findings) -> list[str]:
    """Return how it is played or moves, as what follows "it is"."""
    m = f.manner
    return joined(m.articulation, m.transients, m.course, m.noise)


def _shape(f: Findings) -> list[str]:
    """Return what it is over time, as what follows "it is"."""
    t, level = f.traits, f.measured.level
    shapes = {
        "percussive": f.choose("shape", "percussive, gone at once", "percussive and soon gone"),
        "gradual": "gradual in its attack",
        "sustained": f.choose("shape", "sustained", "sustained from start to end"),
        "fading": f"fading by {-level.trend_db:.0f} dB",
        "swelling": f"swelling by {level.trend_db:.0f} dB",
        "dynamic": f"dynamic, spanning {level.range_db:.0f} dB",
        "even": "even in loudness",
    }
    return [shapes[word] for word in (t.envelope, t.trend, t.dynamics) if word]


def _pulse(f: Findings) -> list[str]:
    """Return what its onsets are, as what follows "it is"."""
    t, rhythm = f.traits, f.measured.rhythm
    words: list[str] = []
    if t.tempo and rhythm.tempo_bpm:
        words.append(f"rhythmic, at a {t.tempo} {rhythm.tempo_bpm:.0f} bpm")
    if t.flutter and rhythm.flutter_hz:
        words.append(f"fluttering about {rhythm.flutter_hz:.0f} times a second")
    if t.density == "isolated":
        words.append("isolated, with one onset only")
    if t.density == "sparse":
        words.append(f"sparse, with {count(rhythm.onset_count)} onsets in all")
    if t.density == "busy":
        words.append(f"busy, with about {rhythm.onsets_per_s:.0f} onsets a second")
    return words
