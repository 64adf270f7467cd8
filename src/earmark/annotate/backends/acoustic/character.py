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
    with_article,
)


def character(f: Findings) -> list[str]:
    """Return the sentences that say how it sounds; none where nothing is remarkable."""
    if f.kind is Kind.SILENCE:
        return []
    lines = [*_pitch(f), *_colour(f), *predicates((*_shape(f), *_pulse(f)), "it is", "it is also")]
    return [sentence(line) for line in lines]


def _pitch(f: Findings) -> list[str]:
    t, melody = f.traits, f.measured.melody
    if melody.median_hz is None or not (t.contour or t.register):
        return []
    at, spread = hertz(melody.median_hz), count(round(melody.spread_semitones or 0.0))
    tone = with_article(" ".join(joined(t.register, "tone")))
    if t.contour == "steady":
        return [
            f.choose(
                "pitch",
                f"the pitch is steady, {tone} {at}",
                f"{tone} holds a steady pitch {at}",
            )
        ]
    if t.contour == "gliding":
        return [f"the pitch is gliding over {spread} semitones, {tone} {at}"]
    if t.contour == "melodic":
        return [f"the line is melodic, {tone} that moves over {spread} semitones {at}"]
    return [f"{tone} {at} stands out"]


def _colour(f: Findings) -> list[str]:
    t = f.traits
    words = joined(
        t.texture, t.brightness, t.balance, t.overtones and f"{t.overtones} in overtones"
    )
    if t.overtones == "pure":
        words = joined(t.texture, t.brightness, t.balance, "pure")
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
        lines.append(f"the harmony is {t.harmony}, in a {t.key} key")
    elif t.harmony:
        lines.append(f"the harmony is {t.harmony}")
    elif t.key:
        lines.append(f"the notes fit a {t.key} key")
    return lines


def _shape(f: Findings) -> list[str]:
    """Return what it is over time, as what follows "it is"."""
    t, level = f.traits, f.measured.level
    shapes = {
        "percussive": f.choose(
            "shape", "percussive, with a short decay", "percussive and short-lived"
        ),
        "gradual": "gradual in its attack",
        "sustained": f.choose("shape", "sustained", "sustained and continuous"),
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
        words.append(
            f"rhythmic, at a {t.tempo} tempo of about {rhythm.tempo_bpm:.0f} beats a minute"
        )
    if t.flutter and rhythm.flutter_hz:
        words.append(f"fluttering about {rhythm.flutter_hz:.0f} times a second")
    if t.density == "isolated":
        words.append("isolated, with one onset only")
    if t.density == "sparse":
        words.append(f"sparse, with {count(rhythm.onset_count)} onsets in all")
    if t.density == "busy":
        words.append(f"busy, with about {rhythm.onsets_per_s:.0f} onsets a second")
    return words
