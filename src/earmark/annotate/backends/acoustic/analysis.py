"""Measure one clip: all measurements in one frozen value, and whether it is speech, music or other
sound.

The caption is written from this value alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from scipy.ndimage import uniform_filter1d
from scipy.signal import find_peaks

from earmark import audio
from earmark.annotate.backends.acoustic import vad
from earmark.annotate.backends.acoustic.level import (
    Level,
    count_clipped_runs,
    estimate_decay_time_s,
    measure_level,
)
from earmark.annotate.backends.acoustic.pitch import (
    MAX_SPEECH_APERIODICITY,
    PITCH_HOP_S,
    VOICE_HIGH_HZ,
    VOICE_LOW_HZ,
    Partials,
    PitchTrack,
    Voicing,
    measure_partials,
    measure_vibrato_share,
    measure_voicing,
    track_pitch,
)
from earmark.annotate.backends.acoustic.rhythm import Clicks, Rhythm, measure_clicks, measure_rhythm
from earmark.annotate.backends.acoustic.sound_events import (
    LIKELY_PROBABILITY,
    VOICE_CLASSES,
    ClipKind,
    EventDetector,
    SoundEvent,
    class_family,
    rank_events,
)
from earmark.annotate.backends.acoustic.spectrum import (
    HOP_S,
    Frames,
    LongSpectrum,
    Ridge,
    Timbre,
    cut_frames,
    long_spectrum,
    measure_ridge,
    measure_timbre,
)

SPEECH_THRESHOLD = 0.5


MIN_VOICED_S = 0.1

SYLLABLE_PROMINENCE_DB = 2.0


@dataclass(frozen=True)
class Speech:
    """Speech by Silero: its share of the clip, and the voice in it.

    `pitch_hz` is the median fundamental frequency and `spread_semitones` the distance from its
    10th to its 90th percentile, both None with less than 0.1 s of voiced speech.
    `syllables_per_s` counts level bumps of 2 dB in speech, `pauses` the gaps of 0.2 s and more
    between stretches of speech. `voicing` is None where nobody speaks.
    """

    share: float
    pitch_hz: float | None = None
    spread_semitones: float | None = None
    syllables_per_s: float = 0.0
    pauses: int = 0
    voicing: Voicing | None = None


@dataclass(frozen=True)
class Melody:
    """Pitch of a clip as a whole: `voiced_share` of the sounding frames have one.

    `median_hz` and `spread_semitones` (10th to 90th percentile) are None where fewer than a tenth
    of the frames do; `glide_share` is the part of the steps from frame to frame that glide, by
    between 0.15 and 1.5 semitones in 20 ms. `fundamental_share` is the part of the tonal power that
    lies within a semitone of a steady pitch, None where the spread is above one semitone.
    `vibrato_share` is the part of the held notes that have vibrato, `partials` those of the frames
    with one pitch, None where there are hardly any.
    """

    voiced_share: float
    median_hz: float | None = None
    spread_semitones: float | None = None
    glide_share: float = 0.0
    fundamental_share: float | None = None
    vibrato_share: float = 0.0
    partials: Partials | None = None


@dataclass(frozen=True)
class Measurements:
    """What is known of a clip. `events` is None where they were not looked for, best first."""

    duration_s: float
    level: Level
    timbre: Timbre
    rhythm: Rhythm
    melody: Melody
    speech: Speech
    ridge: Ridge
    clicks: Clicks
    clipped_runs: int
    decay_time_s: float | None
    events: tuple[SoundEvent, ...] | None


@dataclass(frozen=True)
class Detectors:
    """The two trained detectors; `events` is None where sound events are off."""

    voice: vad.SileroVad
    events: EventDetector | None


def measure_clip(
    samples: Float32[np.ndarray, "samples channels"],
    from_rate: int,
    ears: Detectors,
    *,
    sample_rate: int = 16000,
) -> Measurements:
    """Measure a decoded file in its own rate and channels; at least one sample.

    Clipping is counted as it was stored, all else on the mean of the channels at `sample_rate` Hz.
    """
    mono = samples.mean(axis=1, dtype=np.float32)
    mono = mono - mono.mean(dtype=np.float32)  # a constant offset is not sound
    frames = cut_frames(audio.resample(mono, from_rate, sample_rate), sample_rate)
    heard = frames if sample_rate == vad.VAD_SAMPLE_RATE else _at_16_khz(mono, from_rate)
    pitch = track_pitch(frames.wave, sample_rate)
    spectrum = long_spectrum(frames)
    return Measurements(
        duration_s=len(samples) / from_rate,
        level=measure_level(frames),
        timbre=measure_timbre(frames, spectrum),
        rhythm=measure_rhythm(frames),
        melody=measure_melody(pitch, frames, spectrum),
        speech=measure_speech(ears.voice.probabilities(heard.wave), pitch, frames),
        ridge=measure_ridge(frames),
        clicks=measure_clicks(frames.wave, sample_rate),
        clipped_runs=count_clipped_runs(samples),
        decay_time_s=estimate_decay_time_s(frames),
        events=rank_events(ears.events.scores(heard.log_mel)) if ears.events else None,
    )


def measure_speech(
    probability: Float32[np.ndarray, " chunks"],
    pitch: PitchTrack,
    frames: Frames,
) -> Speech:
    """Describe the stretches whose probability of speech is above a half."""
    speaking = probability > SPEECH_THRESHOLD
    if not speaking.any():
        return Speech(share=0.0)
    at_pitch = _resample_flags(speaking, vad.CHUNK_S, PITCH_HOP_S, len(pitch.frequency_hz))
    in_range = (pitch.frequency_hz > VOICE_LOW_HZ) & (pitch.frequency_hz < VOICE_HIGH_HZ)
    voiced = pitch.frequency_hz[
        at_pitch & in_range & (pitch.aperiodicity < MAX_SPEECH_APERIODICITY)
    ]
    known = len(voiced) * PITCH_HOP_S >= MIN_VOICED_S
    level_db = frames.level_db
    at_level = _resample_flags(speaking, vad.CHUNK_S, HOP_S, len(level_db))
    level_at_pitch = _resample_flags(level_db, HOP_S, PITCH_HOP_S, len(at_pitch))
    bumps, _ = find_peaks(uniform_filter1d(level_db, 7), prominence=SYLLABLE_PROMINENCE_DB)
    spoken_s = max(float(at_level.sum()) * HOP_S, HOP_S)
    return Speech(
        share=float(speaking.mean()),
        pitch_hz=float(np.median(voiced)) if known else None,
        spread_semitones=_spread_semitones(voiced) if known else None,
        syllables_per_s=float(at_level[bumps].sum()) / spoken_s,
        pauses=_count_pauses(speaking),
        voicing=measure_voicing(pitch, frames, at_pitch, level_at_pitch, at_level),
    )


def measure_melody(pitch: PitchTrack, frames: Frames, spectrum: LongSpectrum) -> Melody:
    """Describe the pitch of the frames that sound."""
    count = len(pitch.frequency_hz)
    sounding = _resample_flags(frames.active, HOP_S, PITCH_HOP_S, count)
    voiced = pitch.voiced & sounding
    share = float(voiced.sum()) / max(int(sounding.sum()), 1)
    if share < 0.1:
        return Melody(voiced_share=share)
    semitones = 12.0 * np.log2(pitch.frequency_hz)
    steps = np.abs(np.diff(semitones))[voiced[1:] & voiced[:-1]]
    glides = (steps > 0.15) & (steps < 1.5)
    median_hz = float(np.median(pitch.frequency_hz[voiced]))
    spread = _spread_semitones(pitch.frequency_hz[voiced])
    return Melody(
        voiced_share=share,
        median_hz=median_hz,
        spread_semitones=spread,
        glide_share=float(glides.mean()) if len(steps) else 0.0,
        fundamental_share=spectrum.share_near(median_hz) if spread < 1.0 else None,
        vibrato_share=measure_vibrato_share(pitch),
        partials=measure_partials(pitch, spectrum),
    )


def _at_16_khz(mono: Float32[np.ndarray, " samples"], from_rate: int) -> Frames:
    return cut_frames(audio.resample(mono, from_rate, vad.VAD_SAMPLE_RATE), vad.VAD_SAMPLE_RATE)


def _resample_flags(flags: np.ndarray, hop_s: float, to_hop_s: float, count: int) -> np.ndarray:
    """Return flags on another time grid: each of `count` frames takes the flag of its instant."""
    index = (np.arange(count) * (to_hop_s / hop_s)).astype(int)
    return flags[np.minimum(index, len(flags) - 1)]


def _spread_semitones(frequency_hz: Float32[np.ndarray, " frames"]) -> float:
    low, high = np.percentile(frequency_hz, [10, 90])
    return float(12.0 * np.log2(high / low))


def _count_pauses(speaking: np.ndarray) -> int:
    gaps = np.diff(np.flatnonzero(speaking)) - 1
    return int(np.sum(gaps * vad.CHUNK_S >= 0.2))


SILENT_DBFS = -65.0

VOICELESS_SPEECH_PROBABILITY = 0.6

_MUSIC_FAMILY = "musical"


def classify_clip(m: Measurements) -> ClipKind:
    """Tell what a clip mostly is.

    Speech wants a tenth of the clip by the voice detector and, where events are known, a speech
    class too: some animals and instruments deceive the former. Speech without voice deceives it
    as well, so that events alone suffice where they are sure. Music wants events.
    """
    if m.level.active_dbfs < SILENT_DBFS:
        return ClipKind.SILENCE
    spoken = m.speech.share >= 0.1
    if m.events is None:
        return ClipKind.SPEECH if spoken else ClipKind.SOUND
    music = max((event.mean for event in m.events if event.name == "Music"), default=0.0)
    if spoken and any(event.name in VOICE_CLASSES for event in m.events):
        return ClipKind.MUSIC if music > 0.5 and m.speech.share < 0.4 else ClipKind.SPEECH
    if any(e.name == "Speech" and e.mean > VOICELESS_SPEECH_PROBABILITY for e in m.events):
        return ClipKind.SPEECH if music < 0.1 else ClipKind.MUSIC
    instrument = any(
        class_family(e.index) == _MUSIC_FAMILY and e.highest >= LIKELY_PROBABILITY for e in m.events
    )
    return ClipKind.MUSIC if music > 0.3 or instrument else ClipKind.SOUND
