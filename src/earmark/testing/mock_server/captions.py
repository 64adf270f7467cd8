"""Captions from a few simple measurements: they differ between clips; nobody takes them for a
model's.
"""

from __future__ import annotations

import io

import msgspec
import numpy as np
import soundfile

from earmark.testing.mock_server.chat_request import BadRequestError

_SILENCE_DBFS = -70.0


class AudioMeasures(msgspec.Struct, frozen=True):
    """Measures of one audio.

    Args:
        duration_s: its length, seconds.
        level_dbfs: root mean square, decibels below full scale.
        centroid_hz: centre of gravity of the power spectrum.
        flatness: geometric over arithmetic mean of the power spectrum; about 0.56 for white noise.
        crossings_hz: sign changes of the wave, a second.
        swing_db: how far the level of 50 ms pieces spreads, 10th to 90th percentile.
    """

    duration_s: float
    level_dbfs: float
    centroid_hz: float
    flatness: float
    crossings_hz: float
    swing_db: float


def measure_audio(data: bytes) -> AudioMeasures:
    """Decode an audio file and measure it.

    Raises:
        BadRequestError: it cannot be decoded, or holds no samples.
    """
    try:
        wave, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise BadRequestError(f"the audio cannot be decoded: {error}") from None
    if not len(wave):
        raise BadRequestError("the audio holds no samples")
    mono = wave.mean(axis=1)
    power = np.abs(np.fft.rfft(mono)) ** 2 + 1e-20
    frequencies = np.fft.rfftfreq(len(mono), 1 / rate)
    duration_s = len(mono) / rate
    return AudioMeasures(
        duration_s=duration_s,
        level_dbfs=_decibels(float(np.mean(mono**2))),
        centroid_hz=float((frequencies * power).sum() / power.sum()),
        flatness=float(np.exp(np.log(power).mean()) / power.mean()),
        crossings_hz=float(np.count_nonzero(np.diff(np.signbit(mono))) / duration_s),
        swing_db=_level_spread_db(mono, rate // 20),
    )


def describe_audio(heard: AudioMeasures) -> str:
    """Return a caption of three paragraphs, the last of them a summary."""
    length = f"{heard.duration_s:.1f} seconds"
    if heard.level_dbfs < _SILENCE_DBFS:
        return (
            f"The recording lasts {length} and is silent: nothing can be heard in it.\n\n"
            "There is no speech, no music and no other sound, neither near nor far. The level "
            "stays at the floor from the first moment to the last.\n\n"
            f"In summary, this is silence: {length} in which nothing is audible."
        )
    level, colour, texture, motion = _level(heard), _color(heard), _texture(heard), _motion(heard)
    return (
        f"The recording lasts {length}. It opens with a {colour}, {texture} sound that is {level} "
        f"at about {heard.level_dbfs:.0f} decibels below full scale and goes on to the end.\n\n"
        f"Its energy is centred near {heard.centroid_hz:.0f} hertz, and the wave changes its sign "
        f"about {heard.crossings_hz:.0f} times a second. The loudness is {motion}, with a spread "
        f"of {heard.swing_db:.0f} decibels between the quiet and the strong moments.\n\n"
        f"In summary, the clip holds {length} of a {level}, {colour} and {texture} sound whose "
        f"loudness is {motion}."
    )


def _level(heard: AudioMeasures) -> str:
    return "quiet" if heard.level_dbfs < -40 else "moderate" if heard.level_dbfs < -15 else "loud"


def _color(heard: AudioMeasures) -> str:
    names = ((250, "deep"), (800, "warm"), (2000, "full"), (4000, "bright"))
    return next((name for limit, name in names if heard.centroid_hz < limit), "hissing")


def _texture(heard: AudioMeasures) -> str:
    names = ((0.01, "tonal"), (0.2, "mixed"))
    return next((name for limit, name in names if heard.flatness < limit), "noisy")


def _motion(heard: AudioMeasures) -> str:
    return "steady" if heard.swing_db < 3 else "wavering" if heard.swing_db < 15 else "eventful"


def _decibels(power: float) -> float:
    return 10 * float(np.log10(max(power, 1e-12)))


def _level_spread_db(mono: np.ndarray, size: int) -> float:
    if len(mono) < 2 * size:
        return 0.0
    pieces = mono[: len(mono) // size * size].reshape(-1, size)
    levels = 10 * np.log10(np.maximum((pieces**2).mean(axis=1), 1e-12))
    low, high = np.percentile(levels, (10, 90))
    return float(high - low)
