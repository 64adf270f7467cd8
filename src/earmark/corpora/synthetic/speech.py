"""One speaker says a few sentences."""

from __future__ import annotations

import numpy as np

from earmark.audio import resample
from earmark.corpora.synthetic import espeak
from earmark.corpora.synthetic.dsp import SAMPLE_RATE, Wave, count, fade
from earmark.corpora.synthetic.sentences import phrasebooks, sentence
from earmark.corpora.synthetic.voices import VOICES, Speaker

ABOUT_S = 1.0
"""How far from the wanted duration speech may stay rather than start another sentence."""


def speak(speaker: Speaker, duration_s: float, longest_s: float, rng: np.random.Generator) -> Wave:
    """Say sentences for about `duration_s`; what would pass `longest_s` is faded out.

    Pitch, rate, intonation range and vocal tract vary from utterance to utterance within what the
    voice allows.
    """
    voice = VOICES[speaker.voice]
    pitch = int(rng.integers(*voice.pitch))
    rate = int(rng.integers(*voice.rate))
    pitch_range = int(rng.integers(35, 70))
    tract = rng.uniform(*voice.tract)
    book = phrasebooks()[speaker.language]
    pieces = [_pause(rng, 0.03, 0.25)]
    while sum(map(len, pieces)) < count(duration_s - ABOUT_S):
        text = sentence(book, rng)
        breath = int(rng.integers(2**31))
        utterance = espeak.Utterance(text, speaker.name, rate, pitch, pitch_range, breath)
        pcm, sample_rate = espeak.say(utterance)
        # Read at another rate, a voice keeps its words but gets a shorter or longer tract.
        said = resample(pcm, round(sample_rate * tract), SAMPLE_RATE)
        pieces += [said.astype(np.float64), _pause(rng, 0.1, 0.45)]
    return fade(np.concatenate(pieces)[: count(longest_s)], 0.005, 0.08)


def _pause(rng: np.random.Generator, shortest_s: float, longest_s: float) -> Wave:
    return np.zeros(count(rng.uniform(shortest_s, longest_s)))
