"""Each word for the manner of a sound is said where it is true and not where it is not."""

from dataclasses import fields, replace

import acoustic_signals as signals
import manner_signals as made
import numpy as np
import pytest

from earmark.annotate.backends.acoustic import pitch, rhythm, spectrum
from earmark.annotate.backends.acoustic.analysis import measure_clip, measure_speech
from earmark.annotate.backends.acoustic.descriptors import Manner, choose_manner
from earmark.annotate.backends.acoustic.sound_events import ClipKind
from earmark.annotate.backends.acoustic.spectrum import cut_frames, long_spectrum
from earmark.annotate.backends.acoustic.text import write_caption

EVERY = np.arange(1, 21)
ODD, EVEN = np.arange(1, 20, 2), np.arange(2, 20, 2)
TICKS, LOOSE = np.full(8, 0.45), np.array([0.2, 0.5, 0.3, 0.9, 0.25, 0.6, 0.4, 0.7])
FIRE = np.random.default_rng(0).exponential(0.08, 60) + 0.03
BEAT_S = signals.seconds(4.0)
SIREN_HZ = 900.0 * 2.0 ** (0.6 * np.sin(2 * np.pi * 0.5 * BEAT_S))
TWO_TONES_HZ = np.where(BEAT_S % 0.2 < 0.1, 900.0, 1200.0)
NOISE = signals.white_noise(4.0)
RUMBLE = made.scaled(made.band(NOISE, 40.0, 140.0) + 0.05 * NOISE)


@pytest.fixture
def words(deaf_ears):
    def said(wave, kind):
        manner = choose_manner(measure_clip(wave[:, None], signals.RATE, deaf_ears), kind)
        return {word for name in fields(Manner) if (word := getattr(manner, name.name))}

    return said


@pytest.mark.parametrize(
    ("word", "kind", "true", "false"),
    [
        ("hollow", "music", made.partials(220.0, ODD, 1.0 / ODD), signals.harmonics(220.0)),
        ("buzzy", "music", made.partials(220.0, EVERY, EVERY**0.0), signals.harmonics(220.0)),
        ("mellow", "music", made.partials(330.0, (1, 2), (1.0, 0.05)), signals.harmonics(330.0)),
        ("vibrato", "music", made.vibrato(25.0), made.vibrato(0.0)),
        ("plucked", "music", made.notes(45.0), made.notes(0.0)),
        ("resonant", "music", made.notes(15.0), made.notes(45.0)),
        ("legato", "music", made.notes(0.0), made.notes(15.0)),
        ("ticking", "sound", made.click_train(TICKS), made.click_train(LOOSE)),
        ("clicking", "sound", made.click_train(LOOSE), made.click_train(TICKS)),
        ("crackling", "sound", made.click_train(FIRE), made.click_train(LOOSE)),
        ("beeping", "sound", made.switched(1000.0, 0.2, 0.3), signals.tone(1000.0, 4.0)),
        ("warbling", "sound", made.course(TWO_TONES_HZ), made.course(SIREN_HZ)),
        ("sweeping", "sound", made.course(SIREN_HZ), made.course(TWO_TONES_HZ)),
        ("hissing", "sound", NOISE, made.scaled(made.band(NOISE, 60.0, 1500.0))),
        ("rushing", "sound", made.scaled(made.band(NOISE, 60.0, 1500.0)), NOISE),
        ("rumbling", "sound", RUMBLE, NOISE),
        ("humming", "sound", made.partials(100.0, (1, 2), (1.0, 0.2), 4.0), RUMBLE),
    ],
)  # fmt: skip
def test_a_word_is_said_where_it_is_true_alone(words, word, kind, true, false):
    assert word in words(true, ClipKind(kind))
    assert word not in words(false, ClipKind(kind))


def voice_words(wave, deaf_ears, kind=ClipKind.SPEECH):
    """Return the words for a wave, all of which is taken for speech."""
    frames = cut_frames(wave, signals.RATE)
    speaking = np.ones(len(wave) // 512 + 1, dtype=np.float32)
    speech = measure_speech(speaking, pitch.track_pitch(wave, signals.RATE), frames)
    measured = replace(measure_clip(wave[:, None], signals.RATE, deaf_ears), speech=speech)
    return choose_manner(measured, kind)


def test_a_voice_without_pitch_is_whispered(deaf_ears):
    whisper = made.scaled(made.band(NOISE, 500.0, 5000.0))
    assert voice_words(whisper, deaf_ears).quality == "whispered"
    assert voice_words(made.pulses(), deaf_ears).quality is None


def test_a_voice_of_irregular_period_is_rough(deaf_ears):
    assert voice_words(made.pulses(irregularity=3.0), deaf_ears).quality == "rough"
    assert voice_words(made.pulses(irregularity=0.1), deaf_ears).quality is None


def test_a_voice_is_thin_or_mellow_by_where_its_power_lies(deaf_ears):
    voice = made.pulses()
    assert voice_words(made.scaled(made.band(voice, 1000.0, 5000.0)), deaf_ears).body == "thin"
    assert voice_words(made.scaled(made.band(voice, 60.0, 500.0)), deaf_ears).body == "mellow"
    assert voice_words(voice, deaf_ears).body is None


def test_words_of_one_kind_are_not_said_of_another(words):
    assert words(np.zeros(16000, dtype=np.float32), ClipKind.SILENCE) == set()
    assert not words(NOISE, ClipKind.MUSIC) & {"hissing", "legato", "mellow"}
    assert not words(made.notes(45.0), ClipKind.SOUND) & {"plucked", "resonant"}


@pytest.mark.parametrize("count", [1, 2, 399, 1600, 8000])
def test_any_length_can_be_measured(words, count):
    for kind in ClipKind:
        words(0.1 * signals.white_noise(1.0)[:count], kind)


def test_a_sweep_is_not_noise(deaf_ears):
    text = write_caption(
        measure_clip(made.course(SIREN_HZ)[:, None], signals.RATE, deaf_ears), "seed"
    )
    assert "sweeping" in text.split("\n\n")[-1]
    assert "nois" not in text


def test_vibrato_is_the_share_of_notes_that_swing():
    wave = np.concatenate([made.vibrato(25.0), np.zeros(3200, np.float32), made.vibrato(0.0)])
    share = pitch.measure_vibrato_share(pitch.track_pitch(wave, signals.RATE))
    assert share == pytest.approx(0.5, abs=0.1)
    assert pitch.measure_vibrato_share(pitch.track_pitch(NOISE, signals.RATE)) == 0.0


def test_partials_are_counted_from_the_fundamental():
    def found(wave):
        frames = cut_frames(wave, signals.RATE)
        return pitch.measure_partials(
            pitch.track_pitch(frames.wave, signals.RATE), long_spectrum(frames)
        )

    odd = found(made.partials(220.0, ODD, 1.0 / ODD))
    assert odd is not None
    assert odd.even_share < 0.02
    assert odd.overtone_share == pytest.approx(1.0 - 1.0 / np.sum(1.0 / ODD**2.0), abs=0.03)
    sine = found(signals.tone(440.0))
    assert sine is not None
    assert sine.centre == pytest.approx(1.0, abs=0.1)
    assert found(NOISE) is None
    chord = found(made.partials(300.0, (1, 1.25, 1.5), (1.0, 1.0, 1.0)))
    assert chord is None, "a chord repeats at a pitch that none of its tones has"


@pytest.mark.parametrize("fall", [0.0, 15.0, 45.0])
def test_the_fall_after_onsets_is_that_of_the_notes(fall):
    found = rhythm.measure_rhythm(cut_frames(made.notes(fall), signals.RATE)).fall_db_per_s
    assert found == pytest.approx(fall, abs=4.0)


def test_clicks_are_counted_with_their_regularity():
    regular = rhythm.measure_clicks(made.click_train(TICKS), signals.RATE)
    assert regular.per_s == pytest.approx(2.0, abs=0.3)
    assert regular.irregularity == pytest.approx(0.0, abs=0.02)
    assert rhythm.measure_clicks(NOISE, signals.RATE).irregularity is None


def test_a_ridge_follows_its_peak():
    rising = spectrum.measure_ridge(
        cut_frames(made.course(np.linspace(500.0, 2000.0, 32000)), signals.RATE)
    )
    assert rising.share > 0.95
    assert rising.rising_share > 0.7
    assert rising.falling_share < 0.1
    assert rising.spread_semitones == pytest.approx(12 * np.log2(1850 / 650), abs=1.5)
    assert spectrum.measure_ridge(cut_frames(NOISE, signals.RATE)).share < 0.01
