"""The production traits: what a recording did to the sound."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from earmark.corpora.synthetic import dsp
from earmark.corpora.synthetic.dsp import Wave

CLEAN = "clean"


def clean(wave: Wave, rng: np.random.Generator) -> Wave:
    """Only set the level: a peak between -12 and -1 dBFS."""
    return dsp.scale_to_peak(wave, dsp.db_to_gain(rng.uniform(-12, -1)))


def reverberation(wave: Wave, rng: np.random.Generator) -> Wave:
    """Play it in a room or a hall: an exponential tail of noise, darker as it dies away."""
    from scipy.signal import fftconvolve

    t60_s = rng.uniform(0.7, 2.6)
    samples = dsp.sample_count(0.8 * t60_s)
    tail = dsp.noise(samples, rng) * dsp.decay(samples, 0.5 * t60_s)
    tail += dsp.lowpass(dsp.noise(samples, rng), 1500.0) * dsp.decay(samples, t60_s)
    tail[: dsp.sample_count(rng.uniform(0.005, 0.03))] = 0.0
    wet = np.asarray(fftconvolve(wave, tail))[: len(wave)]
    mixed = dsp.scale_to_rms(wave, 1.0) + rng.uniform(0.5, 1.2) * dsp.scale_to_rms(wet, 1.0)
    return clean(mixed, rng)


def telephone(wave: Wave, rng: np.random.Generator) -> Wave:
    """Send it through a line: 300-3400 Hz and eight bits of mu-law (ITU-T G.711)."""
    line = dsp.scale_to_peak(dsp.bandpass(wave, 300.0, 3400.0, order=5), 0.9)
    companded = np.sign(line) * np.log1p(255 * np.abs(line)) / np.log(256)
    coded = np.round(companded * 127) / 127
    decoded = np.sign(coded) * (256 ** np.abs(coded) - 1) / 255
    return clean(dsp.bandpass(decoded, 300.0, 3400.0, order=3), rng)


def add_noise(wave: Wave, rng: np.random.Generator) -> Wave:
    """Add steady noise, white to brown, at a signal-to-noise ratio of 3 to 15 dB."""
    hiss = dsp.noise(len(wave), rng, slope_db=float(rng.choice([0.0, 3.0, 5.0])))
    level = dsp.rms(wave) * dsp.db_to_gain(-rng.uniform(3, 15))
    return clean(wave + level * hiss, rng)


def clipping(wave: Wave, rng: np.random.Generator) -> Wave:
    """Overdrive by 8 to 20 dB over full scale and cut off what does not fit."""
    driven = dsp.scale_to_peak(wave, dsp.db_to_gain(rng.uniform(8, 20)))
    return np.clip(driven, -1.0, 1.0) * dsp.db_to_gain(rng.uniform(-4, -0.2))


def quiet(wave: Wave, rng: np.random.Generator) -> Wave:
    """Record it far too low: a peak between -38 and -27 dBFS."""
    return dsp.scale_to_peak(wave, dsp.db_to_gain(rng.uniform(-38, -27)))


EFFECTS: Mapping[str, Callable[[Wave, np.random.Generator], Wave]] = {
    CLEAN: clean,
    "reverberation": reverberation,
    "telephone": telephone,
    "noise": add_noise,
    "clipping": clipping,
    "quiet": quiet,
}
"""Each takes a wave of any level and returns one within [-1, 1]."""
