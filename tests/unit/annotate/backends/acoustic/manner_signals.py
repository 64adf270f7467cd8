"""Signals for the manner of a sound, each with a fact that makes its word true, at 16 kHz."""

import acoustic_signals as signals
import numpy as np

RATE = signals.RATE


def scaled(wave, peak=0.3):
    return (peak * wave / np.abs(wave).max()).astype(np.float32)


def band(wave, low_hz, high_hz):
    spectrum = np.fft.rfft(wave)
    frequency = np.fft.rfftfreq(len(wave), 1 / RATE)
    spectrum[(frequency < low_hz) | (frequency > high_hz)] = 0.0
    return np.fft.irfft(spectrum, n=len(wave))


def partials(frequency_hz, orders, levels, duration_s=2.0):
    """Sum sines at `orders` times a frequency."""
    t = signals.seconds(duration_s)
    both = zip(orders, levels, strict=True)
    return scaled(sum(a * np.sin(2 * np.pi * frequency_hz * n * t + n) for n, a in both))


def course(frequency_hz):
    """A sine that follows a course of frequencies, one for each sample."""
    return scaled(np.sin(2 * np.pi * np.cumsum(frequency_hz) / RATE))


def vibrato(cents, rate_hz=5.5, duration_s=2.0):
    swing = cents / 1200.0 * np.sin(2 * np.pi * rate_hz * signals.seconds(duration_s))
    return course(440.0 * 2.0**swing)


def notes(fall_db_per_s, count=5, length_s=0.6):
    """Notes of eight harmonics that start at once and fall by so many dB a second."""
    t = signals.seconds(length_s)
    fall = 10.0 ** (-fall_db_per_s * t / 20.0) * np.minimum(1.0, (length_s - t) / 0.02)
    return np.concatenate(
        [fall * signals.harmonics(220.0 * 2.0 ** (n / 12.0), length_s) for n in range(count)]
    ).astype(np.float32)


def click_train(gaps_s, duration_s=4.0, seed=0):
    """Clicks of 3 ms, parted by `gaps_s` in turn, over faint noise."""
    rng = np.random.default_rng(seed)
    wave = 1e-4 * rng.standard_normal(round(duration_s * RATE))
    burst = rng.standard_normal(48) * np.exp(-np.arange(48) / 12)
    for start in np.cumsum(gaps_s):
        if start < duration_s - 0.01:
            place = round(start * RATE)
            wave[place : place + 48] += 0.3 * burst
    return wave.astype(np.float32)


def switched(frequency_hz, on_s, off_s, duration_s=4.0):
    """A tone that is on and off in turn."""
    t = signals.seconds(duration_s)
    gate = (t % (on_s + off_s) < on_s) * 1.0
    gate = np.convolve(gate, np.hanning(160) / np.hanning(160).sum(), "same")
    return (gate * signals.tone(frequency_hz, duration_s)).astype(np.float32)


def pulses(irregularity=0.0, pitch_hz=120.0, duration_s=3.0, seed=0):
    """A voice: pulses through two resonances, whose period changes every 30 ms by chance."""
    rng = np.random.default_rng(seed)
    wave, place, period = np.zeros(round(duration_s * RATE)), 0.0, 1.0
    changed = -1
    while place < len(wave):
        if int(place / RATE / 0.03) != changed:
            changed = int(place / RATE / 0.03)
            period = 2.0 ** (irregularity * rng.uniform(-1, 1) / 12.0)
        wave[int(place)] = 1.0
        place += RATE / pitch_hz * period
    t = signals.seconds(0.03)
    ring = np.exp(-t * 300.0) * (np.sin(2 * np.pi * 600.0 * t) + 0.7 * np.sin(2 * np.pi * 1200 * t))
    return scaled(np.convolve(wave, ring)[: len(wave)])
