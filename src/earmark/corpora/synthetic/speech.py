"""Synthetic speakers: who speaks, what they say, and the speech itself.

Every language comes in every voice, so that a voice is never one single speaker. Sentences are
combined from templates in eight languages (sentences.toml).
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import msgspec
import numpy as np

from earmark.audio import resample
from earmark.corpora.synthetic import espeak
from earmark.corpora.synthetic.dsp import SAMPLE_RATE, Wave, fade, sample_count

PACKAGE = __name__.rpartition(".")[0]

REMARK_SHARE = 0.3
"""How many sentences are fixed remarks (questions, requests, greetings) and not statements."""


class Phrasebook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sentence parts of one language; `voice` is espeak-ng's name of the language."""

    voice: str
    subjects: tuple[str, ...]
    predicates: tuple[str, ...]
    circumstances: tuple[str, ...]
    remarks: tuple[str, ...]


@functools.cache
def load_phrasebooks() -> Mapping[str, Phrasebook]:
    """Return the phrasebook of every language, by its English name in lower case."""
    text = resources.files(PACKAGE).joinpath("sentences.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Phrasebook])


def draw_sentence(book: Phrasebook, rng: np.random.Generator) -> str:
    """Draw one sentence with its final punctuation."""
    if rng.random() < REMARK_SHARE:
        return _draw_phrase(book.remarks, rng)
    subject = _draw_phrase(book.subjects, rng)
    return (
        f"{subject} {_draw_phrase(book.predicates, rng)} {_draw_phrase(book.circumstances, rng)}."
    )


def _draw_phrase(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


@dataclass(frozen=True)
class Voice:
    """A kind of voice that recurs in every language.

    Args:
        variants: espeak-ng voice variants and the gender each is heard as ("" where neither).
        pitch: range of espeak-ng's pitch setting, 0-99.
        rate: range of speaking rates, words a minute.
        tract: range of the factor on all resonances; above 1 is a shorter vocal tract.
    """

    variants: Mapping[str, str]
    pitch: tuple[int, int]
    rate: tuple[int, int]
    tract: tuple[float, float]


VOICES: Mapping[str, Voice] = {
    "male": Voice({"m1": "male", "m3": "male", "m6": "male"}, (42, 62), (150, 190), (0.98, 1.04)),
    "deep": Voice(
        {"m4": "male", "m8": "male", "robert": "male"}, (5, 25), (130, 170), (0.84, 0.91)
    ),
    "female": Voice(
        {"f1": "female", "f2": "female", "f4": "female"}, (35, 60), (150, 190), (0.96, 1.02)
    ),
    "child": Voice({"f3": "", "linda": "", "belinda": ""}, (65, 90), (120, 150), (1.18, 1.28)),
    "whisper": Voice({"whisper": "male", "whisperf": "female"}, (40, 60), (140, 175), (0.96, 1.06)),
    "elderly": Voice(
        {"croak": "male", "grandpa": "male", "grandma": "female"}, (35, 60), (95, 125), (0.94, 1.0)
    ),
    "robot": Voice(
        {"robosoft": "", "robosoft4": "", "UniRobot": ""}, (40, 60), (140, 180), (0.95, 1.05)
    ),
}


@dataclass(frozen=True)
class Speaker:
    """One language in one voice variant. `gender` is "" where the voice has none."""

    language: str
    espeak_language: str
    voice: str
    variant: str
    gender: str

    @property
    def name(self) -> str:
        """Return espeak-ng's own name for it, such as "en-us+f2"."""
        return f"{self.espeak_language}+{self.variant}"


def list_speakers() -> tuple[Speaker, ...]:
    """Return all speakers: eight languages times twenty variants of seven voices."""
    return tuple(
        Speaker(language, book.voice, name, variant, gender)
        for language, book in load_phrasebooks().items()
        for name, voice in VOICES.items()
        for variant, gender in voice.variants.items()
    )


DURATION_TOLERANCE_S = 1.0
"""How far from the wanted duration speech may stay rather than start another sentence."""


def render_speech(
    speaker: Speaker, duration_s: float, longest_s: float, rng: np.random.Generator
) -> Wave:
    """Say sentences for about `duration_s`; what would pass `longest_s` is faded out.

    Pitch, rate, intonation range and vocal tract vary from utterance to utterance within what the
    voice allows.
    """
    voice = VOICES[speaker.voice]
    pitch = int(rng.integers(*voice.pitch))
    rate = int(rng.integers(*voice.rate))
    pitch_range = int(rng.integers(35, 70))
    tract = rng.uniform(*voice.tract)
    book = load_phrasebooks()[speaker.language]
    pieces = [_pause(rng, 0.03, 0.25)]
    while sum(map(len, pieces)) < sample_count(duration_s - DURATION_TOLERANCE_S):
        text = draw_sentence(book, rng)
        breath = int(rng.integers(2**31))
        utterance = espeak.Utterance(text, speaker.name, rate, pitch, pitch_range, breath)
        pcm, sample_rate = espeak.synthesize(utterance)
        # Read at another rate, a voice keeps its words but gets a shorter or longer tract.
        said = resample(pcm, round(sample_rate * tract), SAMPLE_RATE)
        pieces += [said.astype(np.float64), _pause(rng, 0.1, 0.45)]
    return fade(np.concatenate(pieces)[: sample_count(longest_s)], 0.005, 0.08)


def _pause(rng: np.random.Generator, shortest_s: float, longest_s: float) -> Wave:
    return np.zeros(sample_count(rng.uniform(shortest_s, longest_s)))
