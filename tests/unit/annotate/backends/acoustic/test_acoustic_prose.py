"""Captions say what was measured, the same way each time, and nothing else."""

import json
from dataclasses import replace

import acoustic_signals as signals
import golden_captions as golden
import numpy as np
import pytest

from earmark.annotate.backends.acoustic.analysis import measure_clip
from earmark.annotate.backends.acoustic.backend import CAPTION_VERSION
from earmark.annotate.backends.acoustic.sound_events import SoundEvent, class_family, class_phrase
from earmark.annotate.backends.acoustic.text import write_caption


@pytest.fixture
def caption(deaf_ears):
    def caption_of(wave, seed="seed"):
        return write_caption(
            measure_clip(np.reshape(wave, (len(wave), -1)), signals.RATE, deaf_ears), seed
        )

    return caption_of


def test_captions_are_golden(deaf_ears):
    kept = json.loads(golden.PATH.read_text())
    found = golden.captions()
    if kept["version"] == CAPTION_VERSION:
        assert found == kept["captions"], (
            "captions changed: raise backend.VERSION, then run COMMAND"
        )
    assert kept["version"] == CAPTION_VERSION, f"run: {golden.COMMAND}"


@pytest.mark.parametrize(
    ("wave", "words"),
    [
        (signals.tone(440.0), ["tonal", "steady", "440 Hz", "dark", "sustained"]),
        (signals.tone(1500.0), ["piercing", "1.5 kHz"]),
        (signals.white_noise(), ["noisy", "bright", "treble-heavy", "sustained"]),
        (signals.white_noise(level=0.003), ["faint"]),
        (signals.clicks(120.0), ["percussive", "rhythmic", "moderate 120 bpm"]),
        (np.clip(4 * signals.tone(300.0), -1, 1), ["loud", "clipped"]),
        (signals.low_pass(signals.white_noise(), 3400.0), ["narrowband", "3.4 kHz"]),
        (signals.bursts_in_room(1.2), ["reverberant"]),
        (np.zeros(16000, dtype=np.float32), ["silence"]),
    ],
)  # fmt: skip
def test_true_words_are_said(caption, wave, words):
    text = caption(wave)
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("wave", "words"),
    [
        (signals.tone(440.0), ["noisy", "bright", "speaking", "rhythmic", "clipped", "music"]),
        (signals.white_noise(), ["tonal", "tone", "speaking", "tempo", "dark", "narrowband"]),
        (signals.clicks(120.0), ["sustained", "speaking", "reverberant"]),
        (np.zeros(16000, dtype=np.float32), ["quiet", "tonal", "dark", "noisy"]),
    ],
)
def test_false_words_are_not_said(caption, wave, words):
    text = caption(wave)
    assert [word for word in words if word in text] == []


def test_the_summary_is_a_short_last_paragraph(caption):
    *details, summary = caption(signals.clicks(120.0)).split("\n\n")
    assert len(details) >= 1
    assert 1 <= summary.count(".") <= 3
    assert "percussive" in summary


def test_wording_depends_on_the_seed_alone(caption):
    wave = signals.tone(440.0)
    assert caption(wave, "a") == caption(wave, "a")
    assert len({caption(wave, str(seed)) for seed in range(8)}) > 1


@pytest.mark.parametrize("count", [1, 2, 100, 511, 512, 513, 8000])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_waves_of_any_length_are_silence(caption, count, value):
    assert "silence" in caption(np.full(count, value, dtype=np.float32))


def test_channels_and_rates_are_taken_as_they_come(deaf_ears):
    left = np.sin(2 * np.pi * 440.0 * np.arange(3 * 44100) / 44100).astype(np.float32) * 0.3
    stereo = np.stack([left, left], axis=1)
    for sample_rate in (16000, 44100):
        found = measure_clip(stereo, 44100, deaf_ears, sample_rate=sample_rate)
        assert found.melody.median_hz == pytest.approx(440.0, rel=0.01)
        assert found.duration_s == 3.0


def event(name, index, highest, mean):
    return SoundEvent(name=name, index=index, highest=highest, mean=mean, presence=mean)


def test_events_are_said_as_surely_as_they_were_heard(deaf_ears):
    quiet = measure_clip(signals.white_noise()[:, None], signals.RATE, deaf_ears)
    heard = replace(
        quiet,
        events=(
            event("Animal", 67, 0.9, 0.8),
            event("Bark", 70, 0.9, 0.8),
            event("Siren", 390, 0.5, 0.1),
            event("Silence", 494, 0.9, 0.3),
        ),
    )
    text = write_caption(heard, "seed")
    assert "clearly" in text.split("barking")[0] or "clearly" in text.split("barking")[1]
    assert "it comes from an animal" in text.lower()
    assert "possibly" in text or "may" in text
    assert "a siren" in text
    assert "ilence" not in text
    assert "sound of barking" in text.split("\n\n")[-1]


def test_speech_wants_both_detectors_where_both_are_known(deaf_ears):
    found = measure_clip(signals.harmonics(120.0)[:, None], signals.RATE, deaf_ears)
    spoken = replace(found, speech=replace(found.speech, share=0.9))
    assert "speaking" in write_caption(spoken, "seed")
    assert "speaking" not in write_caption(replace(spoken, events=()), "seed")
    speech = (event("Speech", 0, 0.99, 0.9),)
    assert "speaking" in write_caption(replace(spoken, events=speech), "seed")


def test_speech_without_voice_is_known_by_its_event(deaf_ears):
    noise = measure_clip(signals.white_noise()[:, None], signals.RATE, deaf_ears)
    for mean, heard in ((0.8, True), (0.4, False)):
        text = write_caption(replace(noise, events=(event("Speech", 0, 0.95, mean),)), "seed")
        assert ("speaking" in text) is heard
        assert ("whispered" in text) is heard
        assert "0% of the time" not in text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Fixed-wing aircraft, airplane", "an airplane"),
        ("Bark", "barking"),
        ("Electric guitar", "an electric guitar"),
        ("Folk music", "folk music"),
        ("Police car (siren)", "a police siren"),
        ("Hi-hat", "a hi-hat"),
    ],
)
def test_class_names_become_phrases(name, said):
    assert class_phrase(name) == said


@pytest.mark.parametrize(
    ("index", "branch"),
    [
        (0, "human"),
        (66, "human"),
        (67, "animal"),
        (191, "musical"),
        (283, "natural"),
        (390, "alarm"),
    ],
)
def test_classes_stand_in_families(index, branch):
    assert class_family(index) == branch
