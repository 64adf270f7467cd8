"""Measured values against signals whose facts are known."""

import acoustic_signals as signals
import numpy as np
import pytest

from earmark.annotate.backends.acoustic import level, pitch, rhythm, spectrum
from earmark.annotate.backends.acoustic.spectrum import cut_frames


def timbre_of(wave):
    frames = cut_frames(wave, signals.RATE)
    return spectrum.measure_timbre(frames, spectrum.long_spectrum(frames))


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("frequency_hz", [80.0, 110.0, 147.3, 220.0, 311.1, 400.0])
def test_yin_is_within_one_percent(frequency_hz, noise):
    found = pitch.track_pitch(signals.harmonics(frequency_hz, noise=noise), signals.RATE)
    assert found.voiced.mean() > 0.9
    assert np.median(found.frequency_hz[found.voiced]) == pytest.approx(frequency_hz, rel=0.01)


def test_yin_agrees_with_the_difference_function_written_out():
    wave = signals.harmonics(200.0, duration_s=0.1, noise=0.2)[:400]
    window, lags = 300, 101
    difference = np.array(
        [np.sum((wave[:window] - wave[lag : lag + window]) ** 2.0) for lag in range(lags)]
    )
    expected = np.ones(lags)
    for lag in range(1, lags):
        expected[lag] = difference[lag] * lag / difference[1 : lag + 1].sum()
    found = pitch.cumulative_mean_normalized_difference(wave[None], window)[0]
    np.testing.assert_allclose(found[1:], expected[1:], atol=2e-3)


def test_noise_and_silence_have_no_pitch():
    for wave in (signals.white_noise(), np.zeros(16000, dtype=np.float32)):
        assert pitch.track_pitch(wave, signals.RATE).voiced.mean() < 0.02


@pytest.mark.parametrize("beats_per_minute", [80.0, 96.0, 120.0, 150.0])
def test_tempo_of_clicks(beats_per_minute):
    found = rhythm.measure_rhythm(cut_frames(signals.clicks(beats_per_minute), signals.RATE))
    assert found.tempo_bpm == pytest.approx(beats_per_minute, abs=2.0)
    assert found.onset_count == pytest.approx(9.8 * beats_per_minute / 60.0, abs=1.5)
    assert found.attack_s is not None
    assert found.decay_s is not None
    assert found.attack_s < 0.05
    assert found.decay_s < 0.1


def test_noise_has_neither_tempo_nor_flutter():
    found = rhythm.measure_rhythm(cut_frames(signals.white_noise(8.0), signals.RATE))
    assert found.tempo_bpm is None
    assert found.flutter_hz is None


def test_flutter_is_the_rate_of_the_modulation():
    wave = signals.white_noise(4.0) * (1.0 + 0.9 * np.sin(2 * np.pi * 9.0 * signals.seconds(4.0)))
    found = rhythm.measure_rhythm(cut_frames(wave.astype(np.float32), signals.RATE))
    assert found.flutter_hz == pytest.approx(9.0, rel=0.05)


def test_a_tone_is_tonal_and_noise_is_not():
    tone, noise = timbre_of(signals.tone(440.0)), timbre_of(signals.white_noise())
    assert tone.tonal_share > 0.99
    assert noise.tonal_share < 0.05
    assert tone.centroid_hz == pytest.approx(440.0, rel=0.05)
    assert noise.centroid_hz == pytest.approx(4000.0, rel=0.05)
    assert noise.rolloff_hz == pytest.approx(0.95 * 8000.0, rel=0.03)


def test_coloured_noise_is_not_tonal():
    brown = np.cumsum(signals.white_noise(4.0)).astype(np.float32)
    assert timbre_of(brown - brown.mean()).tonal_share < 0.2


def test_a_telephone_line_has_a_cliff_and_an_open_channel_has_none():
    noise = signals.white_noise()
    assert timbre_of(signals.low_pass(noise, 3400.0)).cliff_hz == pytest.approx(3400.0, abs=250.0)
    assert timbre_of(noise).cliff_hz is None


@pytest.mark.parametrize(
    ("semitones", "mode"),
    [((0, 4, 7, 5, 9, 0, 7, 11, 2), "major"), ((0, 3, 7, 5, 8, 0, 7, 11, 2), "minor")],
)
def test_mode_of_a_scale_with_its_tonic_and_fifth(semitones, mode):
    notes = [signals.tone(262.0 * 2.0 ** (step / 12.0), 0.5) for step in (*semitones, 0, 7, 0)]
    assert timbre_of(np.concatenate(notes)).mode == mode


def test_one_note_and_noise_have_no_mode():
    assert timbre_of(signals.tone(440.0)).mode is None
    assert timbre_of(signals.white_noise()).mode is None


def test_level_of_a_tone():
    found = level.measure_level(cut_frames(signals.tone(1000.0, amplitude=0.5), signals.RATE))
    assert found.active_dbfs == pytest.approx(20 * np.log10(0.5) - 3.01, abs=0.05)
    assert found.peak_dbfs == pytest.approx(20 * np.log10(0.5), abs=0.05)
    assert found.crest_db == pytest.approx(3.01, abs=0.1)
    assert found.silence_share == 0.0
    assert abs(found.trend_db) < 0.1


def test_gaps_and_trends():
    tone = signals.tone(500.0, 1.0)
    wave = np.concatenate([tone, np.zeros(16000, dtype=np.float32), 0.1 * tone])
    found = level.measure_level(cut_frames(wave, signals.RATE))
    assert found.silence_share == pytest.approx(1 / 3, abs=0.03)
    assert found.longest_gap_s == pytest.approx(1.0, abs=0.05)
    assert found.trend_db == pytest.approx(-20.0, abs=0.5)


def test_clipping_is_counted_where_crests_are_cut():
    loud = np.clip(2.0 * signals.tone(440.0, 1.0, amplitude=0.9), -1.0, 1.0)
    assert level.count_clipped_runs(loud[:, None]) == pytest.approx(880, abs=2)
    assert level.count_clipped_runs(signals.tone(440.0, 1.0, amplitude=1.0)[:, None]) == 0


def test_a_low_tone_in_eight_bits_is_not_clipped():
    coarse = np.round(127 * signals.tone(60.0, 1.0, amplitude=1.0)) / 127
    assert level.count_clipped_runs(coarse[:, None].astype(np.float32)) == 0


@pytest.mark.parametrize("reverberation_s", [0.8, 1.2])
def test_decay_time_of_a_room(reverberation_s):
    found = level.estimate_decay_time_s(
        cut_frames(signals.bursts_in_room(reverberation_s), signals.RATE)
    )
    assert found == pytest.approx(reverberation_s, rel=0.25)


def test_decay_is_not_told_from_one_event():
    assert level.estimate_decay_time_s(cut_frames(signals.tone(440.0), signals.RATE)) is None


def test_cutting_takes_any_length():
    for count in (1, 2, 399, 400, 401, 16001):
        frames = cut_frames(np.full(count, 0.1, dtype=np.float32), signals.RATE)
        assert len(frames.level_db) == len(frames.log_mel) == 1 + max(0, count - 400) // 160
        assert np.isfinite(frames.log_mel).all()
