"""Loudness against the standards' own test signals (ITU-R BS.1770-4, EBU Tech 3341)."""

from __future__ import annotations

import numpy as np
import pytest

from earmark.annotate.loudness import k_weighting, measure_level

RATES = (8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000)


def sine(dbfs: float, seconds: float, rate: int = 48000, hertz: float = 997.0) -> np.ndarray:
    wave = 10 ** (dbfs / 20) * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return wave.astype("f4")[:, None]


def loudness(wave: np.ndarray, rate: int = 48000) -> float:
    return measure_level([wave], rate).loudness_lufs


def test_the_filter_is_the_standards_at_48_khz() -> None:
    head = [1.53512485958697, -2.69169618940638, 1.19839281085285]
    tables = [
        [*head, 1, -1.69065929318241, 0.73248077421585],
        [1, -2, 1, 1, -1.99004745483398, 0.99007225036621],
    ]
    np.testing.assert_allclose(k_weighting(48000), tables, rtol=0, atol=1e-11)


def test_a_full_scale_sine_in_one_channel_is_3_01_lufs_down() -> None:
    assert loudness(sine(0, 3)) == pytest.approx(-3.01, abs=0.005)


@pytest.mark.parametrize("rate", RATES)
def test_every_rate_gives_the_same(rate: int) -> None:
    # At 8 kHz the shelf is already bent by the nearness of half the rate.
    assert loudness(sine(0, 3, rate), rate) == pytest.approx(
        -3.01, abs=0.25 if rate < 16000 else 0.06
    )


def test_channels_add_as_the_standard_weighs_them() -> None:
    one = sine(-20, 2)
    assert loudness(np.repeat(one, 2, axis=1)) == pytest.approx(loudness(one) + 3.01, abs=0.01)
    for channel, gain in enumerate((0.0, 0.0, 0.0, None, 1.49, 1.49)):
        surround = np.zeros((len(one), 6), dtype="f4")
        surround[:, channel] = one[:, 0]
        expected = -100.0 if gain is None else loudness(one) + gain
        assert loudness(surround) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(-23, 20)], -23.0),
        ([(-33, 20)], -33.0),
        ([(-36, 10), (-23, 60), (-36, 10)], -23.0),
        ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23.0),
        ([(-26, 20), (-20, 20.1), (-26, 20)], -23.0),
    ],
)
def test_ebu_tech_3341_cases_1_to_5(steps: list[tuple[float, float]], expected: float) -> None:
    """Stereo 1 kHz sines at 48 kHz, each case to 0.1 LU: the gates leave out the quiet parts."""
    wave = np.concatenate([sine(dbfs, seconds, hertz=1000.0) for dbfs, seconds in steps])
    assert loudness(np.repeat(wave, 2, axis=1)) == pytest.approx(expected, abs=0.1)


def test_blocks_may_be_cut_anywhere() -> None:
    rate = 44100
    noise = np.random.default_rng(0).normal(0, 0.1, (rate * 3 + 123, 2)).astype("f4")
    whole = measure_level([noise], rate)
    for pieces in (2, 7, 500):
        cut = measure_level(np.array_split(noise, pieces), rate)
        assert cut.peak_dbfs == whole.peak_dbfs
        assert cut.loudness_lufs == pytest.approx(whole.loudness_lufs, abs=1e-9)


@pytest.mark.parametrize("seconds", [0.05, 0.39, 0.41])
def test_short_audio_has_the_loudness_of_the_whole(seconds: float) -> None:
    assert loudness(sine(-20, seconds)) == pytest.approx(-23.01, abs=0.5)


def test_audio_below_the_absolute_gate_has_the_loudness_of_the_whole() -> None:
    assert loudness(sine(-80, 2)) == pytest.approx(-83.01, abs=0.05)


def test_peak_is_the_largest_sample_of_any_channel_and_sign() -> None:
    wave = np.zeros((1000, 2), dtype="f4")
    wave[500, 1], wave[600, 0] = -0.5, 0.25
    assert measure_level(np.array_split(wave, 5), 8000).peak_dbfs == pytest.approx(-6.02, abs=0.01)


def test_silence_and_nothing_are_at_the_floor() -> None:
    silent = measure_level([np.zeros((16000, 1), dtype="f4")], 16000)
    assert (silent.peak_dbfs, silent.loudness_lufs) == (-100.0, -100.0)
    nothing = measure_level([], 16000)
    assert (nothing.peak_dbfs, nothing.loudness_lufs) == (-100.0, -100.0)


def test_rates_too_low_for_the_filter_give_a_number() -> None:
    assert -10 < loudness(sine(0, 3, 2000, hertz=300.0), 2000) < 3
