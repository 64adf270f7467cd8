"""Measurements to English: what is heard, how it sounds, how it was recorded, and a summary.

Only what was measured is said, and nothing is denied: whoever reads tags off a caption would take
"not noisy" for "noisy".
"""

from __future__ import annotations

from earmark.annotate.backends.acoustic.character import character
from earmark.annotate.backends.acoustic.findings import Findings, find
from earmark.annotate.backends.acoustic.measure import Measurements
from earmark.annotate.backends.acoustic.naming import Kind
from earmark.annotate.backends.acoustic.scene import is_single_sound, scene
from earmark.annotate.backends.acoustic.wording import (
    hertz,
    joined,
    listed,
    predicates,
    sentence,
    with_article,
)

BRIEF_S = 1.0


def write(measured: Measurements, seed: str) -> str:
    """Return a caption: paragraphs parted by an empty line, the last one a summary.

    `seed` is any digest of the clip's content; it chooses among wordings of equal meaning.
    """
    f = find(measured, seed)
    paragraphs = (scene(f), character(f), recording(f), summary(f))
    return "\n\n".join(" ".join(lines) for lines in paragraphs if lines)


def recording(f: Findings) -> list[str]:
    """Return the sentences on level, gaps, room, background, bandwidth and clipping."""
    t, m = f.traits, f.measured
    if f.kind is Kind.SILENCE:
        digital = m.level.peak_dbfs <= -99.0
        return [
            "Every sample is zero." if digital else f"The peak is {m.level.peak_dbfs:.0f} dBFS."
        ]
    lines = predicates(
        _capture(f), f.choose("capture", "as recorded, it is", "it is"), "it is also"
    )
    average, peak = round(m.level.active_dbfs), round(m.level.peak_dbfs)
    lines.append(
        f.choose(
            "extent",
            f"it lasts {m.duration_s:.1f} s, averaging {average} dBFS and peaking at {peak}",
            f"over {m.duration_s:.1f} s it averages {average} dBFS and peaks at {peak}",
        )
    )
    if t.space == "reverberant" and m.decay_time_s:
        lines.append(f"the space is reverberant and dies away over {m.decay_time_s:.1f} seconds")
    if t.background:
        lines.append(f"the background is {t.background}")
    if t.distortion:
        lines.append(f"it is clipped {m.clipped_runs} times, hence distorted")
    return [sentence(line) for line in lines]


def _capture(f: Findings) -> list[str]:
    """Return what the recording is, as what follows "it is"."""
    t, m = f.traits, f.measured
    words: list[str] = []
    if t.loudness:
        words.append(t.loudness)
    if t.gaps:
        words.append(f"intermittent, sounding for {1.0 - m.level.silence_share:.0%} of the time")
    if t.space == "dry":
        words.append("dry")
    if t.band == "narrowband":
        words.append(f"narrowband and telephone-like, cut off {hertz(m.timbre.cliff_hz or 0.0)}")
    if t.band == "muffled":
        words.append("muffled, mostly below 1 kHz")
    return words


def summary(f: Findings) -> list[str]:
    """Return one or two sentences with what sets the clip apart."""
    t = f.traits
    if f.kind is Kind.SILENCE:
        return [sentence(f"to sum up, {f.measured.duration_s:.1f} seconds of silence")]
    pace = t.pace if t.pace != "moderate" else None
    brief = "brief" if f.measured.duration_s < BRIEF_S else None
    manner = joined(*_manner(f))[:3]
    first = joined(brief, t.loudness, t.depth, t.voice, t.intonation, pace, t.envelope, t.contour)
    second = joined(t.texture, t.brightness, t.register, t.harmony, t.flutter, t.trend)
    lead = f.choose("summary", "to sum up", "overall", "in sum", "taken together")
    lines = [f"{lead}, {_subject(f, ', '.join(joined(*manner, *first[:3], *second[:2])))}"]
    capture = joined(t.space, t.band, t.gaps, t.distortion, t.tempo and "rhythmic")
    if capture:
        lines.append(f"it is {listed(capture)}")
    if f.manner.swing:
        lines.append(f"it has {f.manner.swing}")
    return [sentence(line) for line in lines]


def _manner(f: Findings) -> tuple[str | None, ...]:
    """Return what tells kinds of voices, instruments and sounds apart."""
    m = f.manner
    return (m.quality, m.course, m.transients, m.noise, m.colour, m.articulation, m.body)


def _subject(f: Findings, adjectives: str) -> str:
    names = f.named.certain[:2]
    if f.kind is Kind.SPEECH:
        heard = f"{adjectives} speech".strip()
        return f"{heard} with {listed(names)}" if names else heard
    if f.kind is Kind.MUSIC:
        noun = "musical sound" if is_single_sound(f) else "music"
        heard = f"{adjectives} {noun}".strip()
        heard = with_article(heard) if is_single_sound(f) else heard
        return f"{heard} with {listed(names)}" if names else heard
    if names:
        return " ".join(joined("the", adjectives, f"sound of {listed(names)}"))
    return with_article(" ".join(joined(adjectives, f.named.family, "sound")))
