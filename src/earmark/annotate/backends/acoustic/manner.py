"""Words for the manner of a sound: quality of voice, colour and articulation of tones, texture.

As in `traits`, a word is said only where a figure is clearly out of the ordinary, and names what
was measured: "ticking" are regular clicks, whatever it is that ticks.
"""

from __future__ import annotations

from dataclasses import dataclass

from earmark.annotate.backends.acoustic.measure import Measurements
from earmark.annotate.backends.acoustic.naming import Kind

SHORTEST_S = 1.0
LONGEST_SILENCE = 0.3


@dataclass(frozen=True)
class Manner:
    """None where nothing is out of the ordinary.

    quality (of a voice): whispered, rough. body (of a voice): thin, mellow. colour (of tones):
    hollow, buzzy, mellow. articulation (of tones): legato, resonant, plucked. swing:
    vibrato. transients: ticking, crackling, clicking. course (of one strong peak): beeping,
    warbling, sweeping. noise: hissing, rumbling, rushing; humming where it is tonal.
    """

    quality: str | None = None
    body: str | None = None
    colour: str | None = None
    articulation: str | None = None
    swing: str | None = None
    transients: str | None = None
    course: str | None = None
    noise: str | None = None


def manner_of(m: Measurements, kind: Kind) -> Manner:
    """Choose the words for a clip's measurements."""
    if kind is Kind.SILENCE:
        return Manner()
    if kind is Kind.SPEECH:
        return Manner(quality=_quality(m), body=_body(m))
    sound = kind is Kind.SOUND
    return Manner(
        colour=_colour(m),
        articulation=_articulation(m) if kind is Kind.MUSIC else None,
        swing="vibrato" if m.melody.vibrato_share > 0.4 else None,
        transients=_transients(m) if sound else None,
        course=_course(m) if sound else None,
        noise=_noise(m) if sound else None,
    )


def _quality(m: Measurements) -> str | None:
    voice = m.speech.voicing
    if voice is None:
        return "whispered" if m.melody.voiced_share < 0.05 else None
    if voice.voiced_share < 0.06 and voice.aperiodicity > 0.5:
        return "whispered"
    jumpy = voice.irregularity_semitones is not None and voice.irregularity_semitones > 0.4
    return "rough" if jumpy or voice.aperiodicity > 0.38 else None


def _body(m: Measurements) -> str | None:
    voice = m.speech.voicing
    if voice is None or _quality(m) == "whispered":
        return None
    if voice.centroid_hz < 650.0:
        return "mellow"
    return "thin" if voice.centroid_hz > 1150.0 else None


def _colour(m: Measurements) -> str | None:
    partials = m.melody.partials
    if partials is None or m.timbre.tonal_share < 0.4:
        return None
    if partials.even_share < 0.15 and partials.overtone_share > 0.01:
        return "hollow"
    if partials.upper_share > 0.2 or partials.centre > 6.5:
        return "buzzy"
    return "mellow" if partials.centre < 1.8 else None


def _articulation(m: Measurements) -> str | None:
    fall, tonal = m.rhythm.fall_db_per_s, m.timbre.tonal_share > 0.6
    if fall is None or not tonal or m.duration_s < SHORTEST_S:
        return None
    if abs(fall) < 6.0:
        return "legato"
    sharp = m.rhythm.attack_s is None or m.rhythm.attack_s <= 0.06
    if not sharp or fall < 0.0:
        return None
    return "resonant" if fall < 26.0 else "plucked"


def _transients(m: Measurements) -> str | None:
    irregularity = m.clicks.irregularity
    if irregularity is None or m.clicks.per_s < 0.8:
        return None
    if irregularity < 0.04:
        return "ticking"
    return "crackling" if m.clicks.per_s > 6.0 else "clicking"


def _course(m: Measurements) -> str | None:
    ridge = m.ridge
    if ridge.share < 0.15 or ridge.median_hz < 300.0:
        return None
    first, second = ridge.commonest
    if first + second > 0.9 and second > 0.2:
        return "warbling"
    if ridge.spread_semitones < 0.3 and ridge.steady_share > 0.6 and m.rhythm.onset_count > 1:
        return "beeping"
    swept = ridge.rising_share + ridge.falling_share
    wide = ridge.spread_semitones > 3.0 and ridge.steady_share < 0.1
    return "sweeping" if wide and swept > 0.7 else None


def _noise(m: Measurements) -> str | None:
    t, steady = m.timbre, m.level.ripple_db < 4.0
    if t.low_share > 0.7 and m.ridge.share > 0.5:
        return "humming" if steady else None
    if t.rumble_share > 0.35 and m.ridge.share < 0.5:
        return "rumbling"
    lasting = m.level.silence_share < LONGEST_SILENCE and m.duration_s >= SHORTEST_S
    if not (steady and lasting) or t.tonal_share > 0.2 or m.ridge.share > 0.3:
        return None
    if t.hiss_share > 0.4 and t.flatness > 0.15:
        return "hissing"
    return "rushing" if t.hiss_share < 0.2 else None
