"""Write the caption: what is heard, how it sounds, how it was recorded, and a summary.

The text says only what was measured and denies nothing: a tagger that reads "not noisy" would tag
"noisy".
"""

from __future__ import annotations

from earmark.annotate.backends.acoustic.analysis import Measurements
from earmark.annotate.backends.acoustic.sound_events import ClipKind
from earmark.annotate.backends.acoustic.wording import (
    CaptionFacts,
    around_frequency,
    as_sentence,
    collect_facts,
    format_frequency,
    join_list,
    join_predicates,
    spell_count,
    unique_words,
    with_article,
)

THROUGHOUT_SHARE, MIN_SPEECH_SHARE = 0.8, 0.1


def scene_sentences(f: CaptionFacts) -> list[str]:
    """Return the sentences that say what is heard."""
    if f.kind is ClipKind.SILENCE:
        return [f.choose("silence", "There is only silence.", "Nothing but silence is heard.")]
    if f.kind is ClipKind.SPEECH:
        return [
            as_sentence(line)
            for line in (_speech_clause(f), *_voice_clauses(f), *_event_clauses(f, "voice"))
        ]
    opening = [_music_clause(f)] if f.kind is ClipKind.MUSIC else []
    return [
        as_sentence(line) for line in (*opening, *_event_clauses(f, "music" if opening else ""))
    ]


def _speech_clause(f: CaptionFacts) -> str:
    speech, voice = f.measured.speech, f.traits.voice
    who = with_article(f"{', '.join(unique_words(f.traits.depth, voice))} voice".strip())
    if speech.share >= THROUGHOUT_SHARE:
        return f.choose(
            "speaking",
            f"{who} is speaking throughout",
            f"speech runs throughout: {who} is speaking",
            f"{who} keeps speaking without a break",
        )
    if speech.share < MIN_SPEECH_SHARE:
        return f.choose("speaking", "someone is speaking", f"{who} is speaking")
    share = f"{speech.share:.0%} of the time"
    if speech.pauses >= 2:
        pauses = f"{spell_count(speech.pauses)} pauses"
        return f.choose(
            "speaking",
            f"{who} is speaking {share}, with {pauses}",
            f"speech is heard {share}, parted by {pauses}: {who} is speaking",
        )
    return f.choose(
        "speaking",
        f"{who} is speaking {share}",
        f"speech is heard {share}: {who} is speaking",
        f"someone is speaking {share}: {who}",
    )


def _voice_clauses(f: CaptionFacts) -> list[str]:
    speech, t = f.measured.speech, f.traits
    voice = unique_words(f.manner.quality, f.manner.body)
    lines = [f"this voice is {join_list(voice)}"] if voice else []
    if speech.pitch_hz is not None:
        at = around_frequency(speech.pitch_hz)
        if t.intonation == "lively":
            lines.append(f"its intonation is lively {at}")
        elif t.intonation == "monotone":
            lines.append(f"its intonation is monotone and stays {at}")
        else:
            lines.append(f"it centres {at}")
    if t.pace:
        rate = f"{speech.syllables_per_s:.1f} syllables a second"
        lines.append(
            f.choose(
                "pace",
                f"the speaking is {t.pace}, at about {rate}",
                f"the speaking runs at {rate}, which is {t.pace}",
            )
        )
    return lines


def is_single_sound(f: CaptionFacts) -> bool:
    """Tell a note or a stroke from a piece of music."""
    return f.measured.rhythm.onset_count <= 1 or f.measured.duration_s < 1.5


def _music_clause(f: CaptionFacts) -> str:
    if is_single_sound(f):
        return f.choose("music", "a single musical sound is heard", "this is one musical sound")
    if f.measured.speech.share >= 0.1:
        return f.choose("music", "music and a voice are heard together", "there is music and voice")
    return f.choose("music", "music is playing", "this is music", "music is heard")


def _event_clauses(f: CaptionFacts, beside: str) -> list[str]:
    named = f.named
    opening = f"besides the {beside}, " if beside == "voice" else ""
    lines: list[str] = []
    if named.certain:
        heard, verb = join_list(named.certain), "are" if len(named.certain) > 1 else "is"
        lines.append(
            f.choose(
                "events",
                f"{opening}{heard} can clearly be heard{_presence_phrase(f)}",
                f"{opening}one clearly hears {heard}{_presence_phrase(f)}",
                f"{opening}there {verb} clearly {heard}{_presence_phrase(f)}",
            )
        )
    if named.broad:
        lines.append(f"it comes from {join_list(named.broad)}")
    elif named.family and f.kind is ClipKind.SOUND:
        lines.append(f"this is {with_article(named.family)} sound")
    if named.possible:
        maybe = join_list(named.possible, "or")
        also = " also" if lines else ""
        lines.append(
            f.choose("possible", f"there is possibly{also} {maybe}", f"it may{also} hold {maybe}")
        )
    return lines


def _presence_phrase(f: CaptionFacts) -> str:
    if f.measured.duration_s < 2.0 or f.named.presence is None:
        return ""
    least, most = f.named.presence
    if least >= THROUGHOUT_SHARE:
        return " throughout"
    return " for a moment" if most <= 0.25 else ""


def sound_sentences(f: CaptionFacts) -> list[str]:
    """Return the sentences that say how it sounds; none where nothing is remarkable."""
    if f.kind is ClipKind.SILENCE:
        return []
    courses = (*_manner_predicates(f), *_shape_predicates(f), *_rhythm_predicates(f))
    lines = [
        *_pitch_clauses(f),
        *_color_clauses(f),
        *join_predicates(courses, "it is", "it is also"),
    ]
    return [as_sentence(line) for line in lines]


def _pitch_clauses(f: CaptionFacts) -> list[str]:
    t, melody = f.traits, f.measured.melody
    if melody.median_hz is None or not (t.contour or t.register):
        return []
    at, spread = (
        around_frequency(melody.median_hz),
        spell_count(round(melody.spread_semitones or 0.0)),
    )
    is_where = " and ".join(unique_words(t.register, t.contour))
    if t.contour in ("gliding", "melodic"):
        return [f"it is {is_where}, over {spread} semitones {at}"]
    return [f.choose("pitch", f"it is {is_where}, {at}", f"{at}, it is {is_where}")]


def _color_clauses(f: CaptionFacts) -> list[str]:
    t = f.traits
    overtones = "rich in overtones" if t.overtones == "rich" else t.overtones
    words = unique_words(t.texture, t.brightness, t.balance, f.manner.colour, overtones)
    colour, where = (
        join_list(words),
        f"mostly below {format_frequency(f.measured.timbre.rolloff_hz)}",
    )
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


def _manner_predicates(f: CaptionFacts) -> list[str]:
    """Return how it is played or moves, as what follows "it is"."""
    m = f.manner
    return unique_words(m.articulation, m.transients, m.course, m.noise)


def _shape_predicates(f: CaptionFacts) -> list[str]:
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


def _rhythm_predicates(f: CaptionFacts) -> list[str]:
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
        words.append(f"sparse, with {spell_count(rhythm.onset_count)} onsets in all")
    if t.density == "busy":
        words.append(f"busy, with about {rhythm.onsets_per_s:.0f} onsets a second")
    return words


MAX_BRIEF_S = 1.0


def write_caption(measured: Measurements, seed: str) -> str:
    """Return a caption: paragraphs parted by an empty line, the last one a summary.

    `seed` is any digest of the clip's content; it chooses among wordings of equal meaning.
    """
    f = collect_facts(measured, seed)
    paragraphs = (
        scene_sentences(f),
        sound_sentences(f),
        recording_sentences(f),
        summary_sentences(f),
    )
    return "\n\n".join(" ".join(lines) for lines in paragraphs if lines)


def recording_sentences(f: CaptionFacts) -> list[str]:
    """Return the sentences on level, gaps, room, background, bandwidth and clipping."""
    t, m = f.traits, f.measured
    if f.kind is ClipKind.SILENCE:
        digital = m.level.peak_dbfs <= -99.0
        return [
            "Every sample is zero." if digital else f"The peak is {m.level.peak_dbfs:.0f} dBFS."
        ]
    lines = join_predicates(
        _recording_predicates(f), f.choose("capture", "as recorded, it is", "it is"), "it is also"
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
    return [as_sentence(line) for line in lines]


def _recording_predicates(f: CaptionFacts) -> list[str]:
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
        words.append(
            f"narrowband and telephone-like, cut off {around_frequency(m.timbre.cliff_hz or 0.0)}"
        )
    if t.band == "muffled":
        words.append("muffled, mostly below 1 kHz")
    return words


def summary_sentences(f: CaptionFacts) -> list[str]:
    """Return one or two sentences with what sets the clip apart."""
    t = f.traits
    if f.kind is ClipKind.SILENCE:
        return [as_sentence(f"to sum up, {f.measured.duration_s:.1f} seconds of silence")]
    pace = t.pace if t.pace != "moderate" else None
    brief = "brief" if f.measured.duration_s < MAX_BRIEF_S else None
    manner = unique_words(*_manner_words(f))[:3]
    first = unique_words(
        brief, t.loudness, t.depth, t.voice, t.intonation, pace, t.envelope, t.contour
    )
    second = unique_words(t.texture, t.brightness, t.register, t.harmony, t.flutter, t.trend)
    lead = f.choose("summary", "to sum up", "overall", "in sum", "taken together")
    lines = [
        f"{lead}, {_summary_subject(f, ', '.join(unique_words(*manner, *first[:3], *second[:2])))}"
    ]
    capture = unique_words(t.space, t.band, t.gaps, t.distortion, t.tempo and "rhythmic")
    if capture:
        lines.append(f"it is {join_list(capture)}")
    if f.manner.swing:
        lines.append(f"it has {f.manner.swing}")
    return [as_sentence(line) for line in lines]


def _manner_words(f: CaptionFacts) -> tuple[str | None, ...]:
    """Return what tells kinds of voices, instruments and sounds apart."""
    m = f.manner
    return (m.quality, m.course, m.transients, m.noise, m.colour, m.articulation, m.body)


def _summary_subject(f: CaptionFacts, adjectives: str) -> str:
    names = f.named.certain[:2]
    if f.kind is ClipKind.SPEECH:
        heard = f"{adjectives} speech".strip()
        return f"{heard} with {join_list(names)}" if names else heard
    if f.kind is ClipKind.MUSIC:
        noun = "musical sound" if is_single_sound(f) else "music"
        heard = f"{adjectives} {noun}".strip()
        heard = with_article(heard) if is_single_sound(f) else heard
        return f"{heard} with {join_list(names)}" if names else heard
    if names:
        return " ".join(unique_words("the", adjectives, f"sound of {join_list(names)}"))
    return with_article(" ".join(unique_words(adjectives, f.named.family, "sound")))
