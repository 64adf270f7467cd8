"""Who speaks: every language in every voice, so that a voice is never one single speaker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from earmark.corpora.synthetic.sentences import phrasebooks


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


def speakers() -> tuple[Speaker, ...]:
    """Return all speakers: eight languages times twenty variants of seven voices."""
    return tuple(
        Speaker(language, book.voice, name, variant, gender)
        for language, book in phrasebooks().items()
        for name, voice in VOICES.items()
        for variant, gender in voice.variants.items()
    )
