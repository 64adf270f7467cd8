"""What is heard: every instrument, sound, voice and production trait is itself and no other."""

import importlib.util
import itertools
import time

import numpy as np
import pytest

from earmark.corpora.synthetic import dsp, sounds
from earmark.corpora.synthetic.effects import EFFECTS
from earmark.corpora.synthetic.espeak import Utterance, synthesize
from earmark.corpora.synthetic.instruments import INSTRUMENTS, Note
from earmark.corpora.synthetic.music import compose, perform
from earmark.corpora.synthetic.speech import draw_sentence, load_phrasebooks

needs_espeak = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None,
    reason="espeak-ng is missing: pip install 'earmark[synthetic]'",
)


def spectrum(wave: dsp.Wave) -> np.ndarray:
    power = np.abs(np.fft.rfft(wave)) ** 2
    bands = [band.mean() for band in np.array_split(power[: len(power) // 2], 64)]
    return np.log(np.array(bands) + 1e-9)


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_an_instrument_plays_in_tune(name: str):
    # Bells and organs sound an octave below the written note as well.
    note = Note(440.0, 1.0, 0.0)
    wave = INSTRUMENTS[name].play(note, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 4 * dsp.SAMPLE_RATE))
    near = power[4 * 425 : 4 * 455]
    assert abs(near.argmax() / 4 + 425 - 440.0) < 4.0
    assert near.max() > 20 * np.median(power[4 * 100 : 4 * 4000])


def test_instruments_have_spectra_of_their_own():
    note = Note(330.0, 0.8, 0.0)
    heard = {
        name: [spectrum(i.play(note, np.random.default_rng(seed))[:12000]) for seed in (0, 1)]
        for name, i in INSTRUMENTS.items()
    }
    for one, other in itertools.combinations(heard.values(), 2):
        within = np.abs(one[0] - one[1]).mean()
        assert np.abs(one[0] - other[0]).mean() > within


@pytest.mark.parametrize("kind", sounds.SOUNDS)
def test_a_sound_is_new_each_time_and_the_same_for_one_generator(kind: str):
    first, same, other = (
        sounds.render_sound(kind, 3.0, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert first.shape == (48000,)
    assert np.isfinite(first).all()
    assert dsp.rms(first) == pytest.approx(0.1)
    assert np.abs(np.corrcoef(first, other)[0, 1]) < 0.9


def test_a_composition_keeps_its_mode_and_tempo():
    piece = compose("fast", "minor", 8.0, np.random.default_rng(3))
    assert 140 <= piece.tempo_bpm <= 180
    assert max(event.start for event in piece.events) * 60 / piece.tempo_bpm > 7.0
    wave = perform(piece, "organ", False, 5.0, np.random.default_rng(0))
    assert len(wave) == 5 * dsp.SAMPLE_RATE


def test_drums_are_heard_where_they_should_be():
    piece = compose("medium", "major", 8.0, np.random.default_rng(0))
    flutes, both = (
        perform(piece, "flute", d, 4.0, np.random.default_rng(0)) for d in (False, True)
    )
    alone = perform(piece, "drums", False, 4.0, np.random.default_rng(0))
    low = [dsp.rms(dsp.lowpass(wave, 120.0, order=4)) for wave in (flutes, both, alone)]
    assert low[1] > 5 * low[0]
    assert low[2] > 5 * low[0]


@pytest.fixture
def voiced() -> dsp.Wave:
    """Three seconds of harmonics over the whole band, with gaps."""
    gate = dsp.sample_times(48000) % 1.0 < 0.6
    tones = sum(
        (np.sin(2 * np.pi * f * dsp.sample_times(48000)) for f in range(110, 7000, 110)), 0.0
    )
    return dsp.scale_to_rms(tones * gate, 0.1)


def test_production_traits_do_what_they_say(voiced: dsp.Wave):
    made = {name: trait(voiced, np.random.default_rng(0)) for name, trait in EFFECTS.items()}
    assert all(np.abs(wave).max() <= 1.0 for wave in made.values())
    assert np.abs(made["quiet"]).max() < 0.05
    assert np.isclose(np.abs(made["clipping"]), np.abs(made["clipping"]).max()).mean() > 0.01
    gap, sounding = slice(12000, 15000), slice(0, 9000)
    tail = {name: dsp.rms(wave[gap]) / dsp.rms(wave[sounding]) for name, wave in made.items()}
    assert tail["clean"] < 1e-3
    assert tail["reverberation"] > 0.03
    assert tail["noise"] > 0.1
    line = made["telephone"]
    outside = dsp.highpass(line, 4500.0, order=6) + dsp.lowpass(line, 150.0, order=6)
    assert dsp.rms(outside) < 0.05 * dsp.rms(line)


@needs_espeak
def test_an_utterance_does_not_depend_on_what_was_said_before():
    voices = ["en-us+m3", "de+whisper", "fr+grandpa", "sv+robosoft"]
    wanted = [Utterance("Une, zwei, three.", voice, 160, 50, 50, 7) for voice in voices]
    first = [synthesize(utterance) for utterance in wanted]
    # The library would seed its noise with the time in seconds.
    time.sleep(1.1)
    again = [synthesize(utterance) for utterance in reversed(wanted)][::-1]
    for (wave, rate), (same, _) in zip(first, again, strict=True):
        assert rate == 22050
        assert len(wave) > rate / 2
        np.testing.assert_array_equal(wave, same)


@needs_espeak
def test_an_unknown_voice_is_an_error():
    with pytest.raises(RuntimeError, match="no voice 'xx-nowhere'"):
        synthesize(Utterance("Hello.", "xx-nowhere", 160, 50, 50, 7))


@pytest.mark.parametrize("language", load_phrasebooks())
def test_a_language_has_many_sentences(language: str):
    book = load_phrasebooks()[language]
    rng = np.random.default_rng(0)
    drawn = {draw_sentence(book, rng) for _ in range(300)}
    assert len(drawn) > 150
    assert all(text[-1] in ".?!" and "  " not in text for text in drawn)
