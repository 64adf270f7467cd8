"""Signals whose facts are known, at 16 kHz, as float32."""

import numpy as np

RATE = 16000


def seconds(duration_s: float) -> np.ndarray:
    return np.arange(round(duration_s * RATE)) / RATE


def tone(frequency_hz: float, duration_s: float = 3.0, amplitude: float = 0.3) -> np.ndarray:
    wave = amplitude * np.sin(2 * np.pi * frequency_hz * seconds(duration_s))
    return wave.astype(np.float32)


def harmonics(
    frequency_hz: float, duration_s: float = 2.0, noise: float = 0.0, seed: int = 0
) -> np.ndarray:
    """Eight harmonics that fall as 1/n, with white noise of `noise` times their level."""
    rng = np.random.default_rng(seed)
    wave = sum(
        np.sin(2 * np.pi * frequency_hz * n * seconds(duration_s) + rng.uniform(0, 6)) / n
        for n in range(1, 9)
        if frequency_hz * n < RATE / 2
    )
    wave = wave + noise * np.std(wave) * rng.standard_normal(wave.shape)
    return (0.3 * wave / np.abs(wave).max()).astype(np.float32)


def white_noise(duration_s: float = 3.0, level: float = 0.1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(round(duration_s * RATE))).astype(np.float32)


def low_pass(wave: np.ndarray, cutoff_hz: float) -> np.ndarray:
    """Remove everything above a frequency, as a telephone line does."""
    spectrum = np.fft.rfft(wave)
    spectrum[np.fft.rfftfreq(len(wave), 1 / RATE) > cutoff_hz] = 0.0
    return np.fft.irfft(spectrum, n=len(wave)).astype(np.float32)


def clicks(beats_per_minute: float, duration_s: float = 10.0, seed: int = 0) -> np.ndarray:
    """A short burst of noise at each beat."""
    rng = np.random.default_rng(seed)
    wave = 1e-4 * rng.standard_normal(round(duration_s * RATE))
    burst = rng.standard_normal(400) * np.exp(-np.arange(400) / 80)
    for start in np.arange(0.1, duration_s - 0.1, 60.0 / beats_per_minute):
        place = round(start * RATE)
        wave[place : place + 400] += 0.3 * burst
    return wave.astype(np.float32)


def bursts_in_room(reverberation_s: float, duration_s: float = 6.0, seed: int = 0) -> np.ndarray:
    """Noise bursts convolved with a room of noise that dies by 60 dB in the time given."""
    rng = np.random.default_rng(seed)
    dry = np.zeros(round(duration_s * RATE))
    for start in np.arange(0.2, duration_s - 0.5, 1.0):
        place = round(start * RATE)
        dry[place : place + RATE // 10] = rng.standard_normal(RATE // 10)
    delay_s = seconds(1.5 * reverberation_s)
    room = rng.standard_normal(len(delay_s)) * 10.0 ** (-3.0 * delay_s / reverberation_s)
    size = 1 << (len(dry) + len(room)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(room, size), size)[: len(dry)]
    return (0.5 * wet / np.abs(wet).max()).astype(np.float32)
