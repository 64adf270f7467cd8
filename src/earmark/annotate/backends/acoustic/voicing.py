"""The quality of a speaking voice: how much of it is voiced, how irregular, and where it is strong.

Roughness is the irregularity of the period, as jitter is (Titze, "Workshop on Acoustic Voice
Analysis", 1995), taken over frames of 20 ms rather than single periods.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from earmark.annotate.backends.acoustic.frames import Frames
from earmark.annotate.backends.acoustic.pitch import PitchTrack

LOUD_DB = 15.0
LOWEST_HZ = 60.0
VOICE_HIGH_HZ = 500.0
VOICED_SPEECH = 0.3
LEAST_STEPS = 10


@dataclass(frozen=True)
class Voicing:
    """Measured on frames of speech.

    `voiced_share` is the part of its loud frames (within 15 dB of the 95th percentile) that are
    periodic, `aperiodicity` their median from 0 (periodic) to about 1 (noise). `centroid_hz` is the
    power-weighted mean frequency. `irregularity_semitones` is the median second difference of the
    pitch from frame to frame, which a glide leaves at 0; None with less than 0.2 s of voice.
    """

    voiced_share: float
    aperiodicity: float
    centroid_hz: float
    irregularity_semitones: float | None = None


def measure_voicing(
    pitch: PitchTrack,
    frames: Frames,
    speaking: Bool[np.ndarray, " pitch_frames"],
    level_db: Float32[np.ndarray, " pitch_frames"],
    spoken: Bool[np.ndarray, " frames"],
) -> Voicing | None:
    """Measure a voice; None where `speaking` (pitch frames) or `spoken` (level frames) has none.

    `level_db` is the level at each frame of the pitch track.
    """
    if not speaking.any() or not spoken.any():
        return None
    loud = speaking & (level_db > np.percentile(level_db[speaking], 95) - LOUD_DB)
    in_range = (pitch.frequency_hz > LOWEST_HZ) & (pitch.frequency_hz < VOICE_HIGH_HZ)
    voiced = in_range & (pitch.aperiodicity < VOICED_SPEECH)
    return Voicing(
        voiced_share=float(voiced[loud].mean()),
        aperiodicity=float(np.median(pitch.aperiodicity[loud])),
        centroid_hz=_centroid_hz(frames, spoken),
        irregularity_semitones=_irregularity(pitch, voiced & speaking),
    )


def _centroid_hz(frames: Frames, spoken: Bool[np.ndarray, " frames"]) -> float:
    power = np.square(frames.magnitude[spoken]).mean(axis=0)
    frequency = frames.frequency_hz
    power[frequency < LOWEST_HZ] = 0.0
    return float(power @ frequency) / max(float(power.sum()), 1e-20)


def _irregularity(pitch: PitchTrack, voiced: Bool[np.ndarray, " pitch_frames"]) -> float | None:
    bends = np.abs(np.diff(12.0 * np.log2(pitch.frequency_hz), n=2))
    bends = bends[voiced[2:] & voiced[1:-1] & voiced[:-2]] if len(voiced) > 2 else bends[:0]
    return float(np.median(bends)) if len(bends) >= LEAST_STEPS else None
