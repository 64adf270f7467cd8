"""From measurements to words: which measurements are remarkable, and the word for each.

A word is given only where a measurement is out of the ordinary, so that a caption says what sets
its clip apart; limits lie at the outer quarter or less of speech, music and sounds taken together.
Each property has one word, and every word can be a tag. `Traits` are general (loud, dark,
reverberant); `Manner` describes the quality of a voice, the color and articulation of tones, and
texture. A word names what was measured: "ticking" means regular clicks, whatever it is that ticks.
"""

from __future__ import annotations

from dataclasses import dataclass

from earmark.annotate.backends.acoustic.analysis import Measurements
from earmark.annotate.backends.acoustic.sound_events import ClipKind

NOISE_FLOOR_CLEAN_DB, NOISE_FLOOR_NOISY_DB = 45.0, 18.0

MAX_MELODY_SEMITONES = 24.0
"""A wider spread is rather a tracker's confusion than a line."""

SWEPT_SHARE = 0.3

REVERBERANT_S, DRY_S = 0.55, 0.12


@dataclass(frozen=True)
class Traits:
    """Words for what is worth saying; None where nothing is.

    loudness: loud, quiet, faint. dynamics: dynamic, even. brightness: dark, warm, bright. balance:
    bass-heavy, treble-heavy. texture: tonal, noisy. envelope: percussive, gradual, sustained.
    trend: fading, swelling. density: isolated, sparse, busy. tempo: slow, moderate, fast. register:
    deep, low-pitched, high-pitched, piercing. contour: steady, gliding, melodic. harmony:
    polyphonic. key: major, minor. overtones: pure, rich. flutter: fluttering. voice: male-pitched,
    medium-pitched, female-pitched, high-pitched. depth (of a voice): deep. intonation: monotone,
    lively. pace: slow, moderate, fast. space: reverberant, dry. band: narrowband, muffled.
    background: clean, noisy. gaps: intermittent. distortion: clipped.
    """

    loudness: str | None = None
    dynamics: str | None = None
    brightness: str | None = None
    balance: str | None = None
    texture: str | None = None
    envelope: str | None = None
    trend: str | None = None
    density: str | None = None
    tempo: str | None = None
    register: str | None = None
    contour: str | None = None
    harmony: str | None = None
    key: str | None = None
    overtones: str | None = None
    flutter: str | None = None
    voice: str | None = None
    depth: str | None = None
    intonation: str | None = None
    pace: str | None = None
    space: str | None = None
    band: str | None = None
    background: str | None = None
    gaps: str | None = None
    distortion: str | None = None


def choose_traits(m: Measurements, kind: ClipKind) -> Traits:
    """Choose the words for a clip's measurements; none for silence."""
    if kind is ClipKind.SILENCE:
        return Traits()
    speech = kind is ClipKind.SPEECH
    chords = kind is ClipKind.MUSIC and _is_polyphonic(m)
    voiced = m.melody.voiced_share > 0.4 and m.timbre.tonal_share > 0.4
    pitched = voiced and not speech and not chords
    return Traits(
        loudness=_loudness(m),
        dynamics=_dynamics(m),
        brightness=_brightness(m),
        balance=_balance(m),
        texture=_texture(m),
        envelope=None if speech else _envelope(m),
        trend=word_for(m.level.trend_db, below=((-12.0, "fading"),), above=(12.0, "swelling")),
        density=None if speech else _density(m),
        tempo=None if speech else _tempo(m),
        register=_register(m.melody.median_hz) if pitched else None,
        contour=_contour(m, kind) if pitched else None,
        harmony="polyphonic" if chords else None,
        key=m.timbre.mode if kind is ClipKind.MUSIC and m.rhythm.onset_count >= 4 else None,
        overtones=_overtones(m) if pitched else None,
        flutter="fluttering" if m.rhythm.flutter_hz and not speech else None,
        voice=_voice_pitch(m.speech.pitch_hz) if speech else None,
        depth=_voice_depth(m.speech.pitch_hz) if speech else None,
        intonation=_intonation(m.speech.spread_semitones) if speech else None,
        pace=_pace(m) if speech else None,
        space=_space(m),
        band=_bandwidth(m),
        background=_background(m),
        gaps="intermittent" if _is_intermittent(m) else None,
        distortion="clipped" if m.clipped_runs >= max(5.0, m.duration_s) else None,
    )


def word_for(
    value: float | None,
    *,
    below: tuple[tuple[float, str], ...] = (),
    above: tuple[float, str] | None = None,
) -> str | None:
    """Return the word of the first limit that `value` is below, or of the one it is above."""
    if value is None:
        return None
    for limit, word in below:
        if value < limit:
            return word
    return above[1] if above and value > above[0] else None


def _loudness(m: Measurements) -> str | None:
    limits = ((-42.0, "faint"), (-31.0, "quiet"))
    return word_for(m.level.active_dbfs, below=limits, above=(-12.5, "loud"))


def _dynamics(m: Measurements) -> str | None:
    if m.duration_s < 1.5:
        return None
    return word_for(m.level.range_db, below=((4.0, "even"),), above=(24.0, "dynamic"))


def _brightness(m: Measurements) -> str | None:
    limits = ((850.0, "dark"), (1250.0, "warm"))
    return word_for(m.timbre.centroid_hz, below=limits, above=(2500.0, "bright"))


def _texture(m: Measurements) -> str | None:
    """A sweep fills long windows as noise does, but has one peak at any one time."""
    if m.ridge.share > SWEPT_SHARE and m.timbre.tonal_share < 0.12:
        return None
    return word_for(m.timbre.tonal_share, below=((0.12, "noisy"),), above=(0.85, "tonal"))


def _overtones(m: Measurements) -> str | None:
    limits = ((0.4, "rich"),)
    return word_for(m.melody.fundamental_share, below=limits, above=(0.97, "pure"))


def _balance(m: Measurements) -> str | None:
    if m.timbre.bass_share > 0.6:
        return "bass-heavy"
    return "treble-heavy" if m.timbre.treble_share > 0.3 else None


def _envelope(m: Measurements) -> str | None:
    attack, decay = m.rhythm.attack_s, m.rhythm.decay_s
    if attack is not None and decay is not None and attack <= 0.1 and decay <= 0.2:
        return "percussive"
    if attack is not None and attack > 0.4 and m.rhythm.onset_count <= 2:
        return "gradual"
    steady = m.level.range_db < 6.0 and m.level.floor_db < 12.0
    return "sustained" if steady and m.duration_s >= 1.0 else None


def _density(m: Measurements) -> str | None:
    if m.rhythm.onset_count == 0 or _envelope(m) == "sustained":
        return None
    if m.rhythm.onset_count == 1:
        return "isolated" if m.duration_s >= 1.0 else None
    return word_for(m.rhythm.onsets_per_s, below=((1.0, "sparse"),), above=(5.0, "busy"))


def _tempo(m: Measurements) -> str | None:
    if m.rhythm.tempo_bpm is None:
        return None
    limits = ((84.0, "slow"), (126.0, "moderate"))
    return word_for(m.rhythm.tempo_bpm, below=limits, above=(0.0, "fast"))


def _register(pitch_hz: float | None) -> str | None:
    limits = ((110.0, "deep"), (220.0, "low-pitched"))
    high = word_for(pitch_hz, above=(1000.0, "piercing")) or word_for(
        pitch_hz, above=(520.0, "high-pitched")
    )
    return high or word_for(pitch_hz, below=limits)


def _contour(m: Measurements, kind: ClipKind) -> str | None:
    spread = m.melody.spread_semitones or 0.0
    if spread > MAX_MELODY_SEMITONES:
        return None
    if spread < 1.0 and m.melody.voiced_share > 0.6:
        return "steady"
    if spread > 3.0 and m.melody.glide_share > 0.12:
        return "gliding"
    notes = kind is ClipKind.MUSIC and m.rhythm.onset_count > 1 and spread > 3.0
    return "melodic" if notes else None


def _is_polyphonic(m: Measurements) -> bool:
    tonal = m.timbre.tonal_share > 0.75 and m.rhythm.onset_count >= 2 and m.duration_s >= 2.0
    return tonal and m.melody.voiced_share < 0.55 and m.timbre.pitch_classes >= 4


def _voice_pitch(pitch_hz: float | None) -> str | None:
    limits = ((150.0, "male-pitched"), (185.0, "medium-pitched"), (290.0, "female-pitched"))
    return word_for(pitch_hz, below=limits, above=(0.0, "high-pitched"))


def _voice_depth(pitch_hz: float | None) -> str | None:
    return word_for(pitch_hz, below=((88.0, "deep"),))


def _intonation(spread_semitones: float | None) -> str | None:
    return word_for(spread_semitones, below=((4.0, "monotone"),), above=(11.0, "lively"))


def _pace(m: Measurements) -> str | None:
    if m.speech.share * m.duration_s < 1.5:
        return None
    return word_for(
        m.speech.syllables_per_s, below=((2.6, "slow"), (4.6, "moderate")), above=(0.0, "fast")
    )


def _space(m: Measurements) -> str | None:
    return word_for(m.decay_time_s, below=((DRY_S, "dry"),), above=(REVERBERANT_S, "reverberant"))


def _bandwidth(m: Measurements) -> str | None:
    cliff = m.timbre.cliff_hz
    if cliff is not None and 2500.0 < cliff < 4500.0 and m.timbre.rolloff_hz > 600.0:
        return "narrowband"
    broadband = m.timbre.tonal_share < 0.35 or (m.speech.share > 0.3 and m.duration_s > 1.0)
    return "muffled" if broadband and m.timbre.rolloff_hz < 1000.0 else None


def _background(m: Measurements) -> str | None:
    """Only a sound that comes and goes lets its background be heard."""
    if m.level.floor_db > NOISE_FLOOR_CLEAN_DB:
        return "clean"
    spoken = m.speech.share > 0.3 and m.speech.pauses > 0
    return "noisy" if spoken and m.level.floor_db < NOISE_FLOOR_NOISY_DB else None


def _is_intermittent(m: Measurements) -> bool:
    return m.level.silence_share > 0.25 and m.level.longest_gap_s > 0.4


MIN_DURATION_S = 1.0

MAX_SILENCE_SHARE = 0.3


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


def choose_manner(m: Measurements, kind: ClipKind) -> Manner:
    """Choose the words for a clip's measurements."""
    if kind is ClipKind.SILENCE:
        return Manner()
    if kind is ClipKind.SPEECH:
        return Manner(quality=_voice_quality(m), body=_voice_body(m))
    sound = kind is ClipKind.SOUND
    return Manner(
        colour=_tone_color(m),
        articulation=_articulation(m) if kind is ClipKind.MUSIC else None,
        swing="vibrato" if m.melody.vibrato_share > 0.4 else None,
        transients=_transients(m) if sound else None,
        course=_peak_course(m) if sound else None,
        noise=_noise_kind(m) if sound else None,
    )


def _voice_quality(m: Measurements) -> str | None:
    voice = m.speech.voicing
    if voice is None:
        return "whispered" if m.melody.voiced_share < 0.05 else None
    if voice.voiced_share < 0.06 and voice.aperiodicity > 0.5:
        return "whispered"
    jumpy = voice.irregularity_semitones is not None and voice.irregularity_semitones > 0.4
    return "rough" if jumpy or voice.aperiodicity > 0.38 else None


def _voice_body(m: Measurements) -> str | None:
    voice = m.speech.voicing
    if voice is None or _voice_quality(m) == "whispered":
        return None
    if voice.centroid_hz < 650.0:
        return "mellow"
    return "thin" if voice.centroid_hz > 1150.0 else None


def _tone_color(m: Measurements) -> str | None:
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
    if fall is None or not tonal or m.duration_s < MIN_DURATION_S:
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


def _peak_course(m: Measurements) -> str | None:
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


def _noise_kind(m: Measurements) -> str | None:
    t, steady = m.timbre, m.level.ripple_db < 4.0
    if t.low_share > 0.7 and m.ridge.share > 0.5:
        return "humming" if steady else None
    if t.rumble_share > 0.35 and m.ridge.share < 0.5:
        return "rumbling"
    lasting = m.level.silence_share < MAX_SILENCE_SHARE and m.duration_s >= MIN_DURATION_S
    if not (steady and lasting) or t.tonal_share > 0.2 or m.ridge.share > 0.3:
        return None
    if t.hiss_share > 0.4 and t.flatness > 0.15:
        return "hissing"
    return "rushing" if t.hiss_share < 0.2 else None
