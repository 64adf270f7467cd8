"""The sounds that a captioner is probed with, synthesized: the same on every machine.

They differ in what they are, so that any useful captioner has different words for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from msgspec.structs import replace

from earmark.annotate.backends.base import Prompt

SAMPLE_RATE = 16_000
USUAL_S, SHORT_S = 5.0, 2.0
OVER_LIMIT_FACTOR = 1.5
"""Length of the clip over the limit, in limits."""

SILENCE, NOISE, FIRST_CLIP, SECOND_CLIP, SHORT, LONG = (
    "silence",
    "noise",
    "one",
    "other",
    "short",
    "long",
)
PROBE_SOUNDS = (NOISE, FIRST_CLIP, SECOND_CLIP, SHORT, LONG, SILENCE)
"""Every sound that a captioner must be able to describe."""

TOO_LONG = "over the limit"

_SEED = 20260725
_TARGET_RMS = 0.1
"""Root mean square, -20 dBFS."""
_MAX_PEAK = 0.9

Wave = Float32[np.ndarray, " samples"]


def write_probe_sounds(
    folder: Path, limit_s: float, clips: Sequence[Prompt]
) -> Mapping[str, Prompt]:
    """Write the sounds as FLAC into `folder`, so that a person can listen; return their prompts.

    Up to two `clips` of the job stand in for "one" and "other". Silence is as long as the one and
    noise as the other, so that a model which is told no more than a length says the same of both.
    """
    folder.mkdir(parents=True, exist_ok=True)
    usual_s = min(USUAL_S, limit_s / 2)
    given = dict(zip((FIRST_CLIP, SECOND_CLIP), clips, strict=False))
    lengths_s = {
        name: min(given[name].duration_s or usual_s, limit_s) if name in given else usual_s
        for name in (FIRST_CLIP, SECOND_CLIP)
    }
    lengths_s |= {SILENCE: lengths_s[FIRST_CLIP], NOISE: lengths_s[SECOND_CLIP]}
    lengths_s |= {
        SHORT: min(SHORT_S, limit_s / 4),
        LONG: limit_s,
        TOO_LONG: OVER_LIMIT_FACTOR * limit_s,
    }
    return {
        name: replace(given[name], id=f"canary {name}", duration_s=duration_s)
        if name in given
        else _write_probe(folder, name, duration_s)
        for name, duration_s in lengths_s.items()
    }


def silence(samples: int) -> Wave:
    """Return digital silence."""
    return np.zeros(samples, dtype=np.float32)


def white_noise(samples: int) -> Wave:
    """Return white Gaussian noise."""
    return _normalize_level(np.random.default_rng(_SEED).standard_normal(samples))


def melody(samples: int) -> Wave:
    """Return a slow tune of plucked tones, two a second, up and down a major chord."""
    pitches_hz = (262, 330, 392, 523, 392, 330)
    wave = np.zeros(samples)
    for beat, start in enumerate(range(0, samples, SAMPLE_RATE // 2)):
        time_s = np.arange(samples - start)[:SAMPLE_RATE] / SAMPLE_RATE
        phase = 2 * np.pi * pitches_hz[beat % len(pitches_hz)] * time_s
        tone = np.sum([np.sin(n * phase) / n**2 for n in range(1, 6)], axis=0)
        wave[start : start + len(time_s)] += tone * np.exp(-3 * time_s)
    return _normalize_level(wave)


def knocks(samples: int) -> Wave:
    """Return a rhythm of short dull strikes, long-short-short."""
    random = np.random.default_rng(_SEED + 1)
    wave, start, beat = np.zeros(samples), 0, 0
    while start < samples:
        time_s = np.arange(samples - start)[: SAMPLE_RATE // 5] / SAMPLE_RATE
        thump = np.sin(2 * np.pi * 140 * time_s) + 0.5 * random.standard_normal(len(time_s))
        wave[start : start + len(time_s)] += thump * np.exp(-40 * time_s)
        start += round(SAMPLE_RATE * (0.6, 0.3, 0.3)[beat % 3])
        beat += 1
    return _normalize_level(wave)


def bell(samples: int) -> Wave:
    """Return one stroke of a bell: partials that are no harmonics, ringing down."""
    time_s = np.arange(samples) / SAMPLE_RATE
    partials = ((1.0, 1.0), (2.0, 0.7), (2.4, 0.6), (3.0, 0.4), (4.5, 0.3), (5.3, 0.2))
    tones = [
        size * np.sin(2 * np.pi * 880 * ratio * time_s) * np.exp(-(0.8 + ratio) * time_s)
        for ratio, size in partials
    ]
    return _normalize_level(np.sum(tones, axis=0))


def siren(samples: int) -> Wave:
    """Return an emergency siren of two tones by turns, half a second each."""
    time_s = np.arange(samples) / SAMPLE_RATE
    pitch_hz = np.where(time_s % 1.0 < 0.5, 450.0, 600.0)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE
    return _normalize_level(np.sum([np.sin(n * phase) / n for n in (1, 3, 5)], axis=0))


_GENERATORS: Mapping[str, Callable[[int], Wave]] = {
    SILENCE: silence,
    NOISE: white_noise,
    FIRST_CLIP: melody,
    SECOND_CLIP: knocks,
    SHORT: bell,
    LONG: siren,
    TOO_LONG: siren,
}


def _normalize_level(wave: np.ndarray) -> Wave:
    """Return a wave at the common loudness, or as near to it as its peaks allow."""
    gain = min(
        _TARGET_RMS / math.sqrt(float(np.mean(wave**2))), _MAX_PEAK / float(np.abs(wave).max())
    )
    return (gain * wave).astype(np.float32)


def _write_probe(folder: Path, name: str, duration_s: float) -> Prompt:
    import soundfile

    # Rounded down: a sound of the limit's length must not be a sample over the limit.
    samples = max(math.floor(duration_s * SAMPLE_RATE), 1)
    path = (folder / f"{name}.flac").resolve()
    soundfile.write(path, _GENERATORS[name](samples), SAMPLE_RATE, subtype="PCM_16", format="FLAC")
    return Prompt(id=f"canary {name}", audio=str(path), duration_s=samples / SAMPLE_RATE)
