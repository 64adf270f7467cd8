"""One caption a clip, as a person might write it: a sentence as in AudioCaps, Clotho and
MusicCaps.

It is written from the clip's plan, so it is true, and in several wordings, drawn by (seed, index).
As a `Source`'s original caption it serves baselines alone: no captioner and no tagger sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from earmark.corpora.synthetic.music import DRUMS
from earmark.corpora.synthetic.plan import (
    ClipPlan,
    MusicPart,
    Part,
    RandomStream,
    SoundPart,
    SpeechPart,
    stream_rng,
)
from earmark.corpora.synthetic.speech import Speaker

VOICE_PHRASES: Mapping[str, Sequence[str]] = {
    "male": ("a man", "a male voice"),
    "deep": ("a man with a deep voice", "a deep male voice"),
    "female": ("a woman", "a female voice"),
    "child": ("a child", "a young child"),
    "whisper": ("a whispering {gender}", "a {gender} in a whisper"),
    "elderly": ("an elderly {gender}", "an old {gender} with a croaky voice"),
    "robot": ("a robotic voice", "a synthetic, robot-like voice"),
}
SPEECH_PHRASES = ("speaks {language}", "talks in {language}", "says a few sentences in {language}")

TEMPO_PHRASES: Mapping[str, Sequence[str]] = {
    "slow": ("slow", "unhurried"),
    "medium": ("mid-tempo", "moderately paced"),
    "fast": ("fast", "up-tempo"),
}
MUSIC_PHRASES = (
    "{a_tempo} {instrument} piece in a {mode} key plays{drums}",
    "{a_instrument} plays {a_tempo} melody in {mode}{drums}",
    "{a_tempo} instrumental in a {mode} key is played on the {instrument}{drums}",
)
DRUM_KIT_PHRASES = ("{a_tempo} beat is played on a drum kit", "a drum kit plays {a_tempo} groove")
DRUM_PHRASES = (" with drums", " over a drum beat")

SOUND_PHRASES: Mapping[str, Sequence[str]] = {
    "rain": ("rain falls steadily", "rain is pouring down"),
    "wind": ("the wind blows", "a wind howls"),
    "thunder": ("thunder rumbles", "thunder rolls"),
    "water drops": ("water drips", "drops of water fall"),
    "dog": ("a dog barks", "a dog is barking"),
    "bird": ("a bird chirps", "a bird sings"),
    "knock": ("someone knocks on a door", "there are knocks on wood"),
    "footsteps": ("someone walks", "footsteps are heard"),
    "clock": ("a clock ticks", "a ticking clock is heard"),
    "glass": ("glass breaks", "glass shatters"),
    "applause": ("people applaud", "a crowd claps"),
    "engine": ("an engine runs", "a motor is humming"),
    "siren": ("a siren wails", "an emergency siren sounds"),
    "alarm": ("an alarm beeps", "an alarm goes off"),
    "telephone": ("a telephone rings", "a phone is ringing"),
}

EFFECT_PHRASES: Mapping[str, Sequence[str]] = {
    "clean": ("",),
    "reverberation": (" in a reverberant room", " with a long echo"),
    "telephone": (" over a telephone line", ", heard through a phone"),
    "noise": (" with noise in the background", ", with a constant hiss"),
    "clipping": (", badly distorted", ", and the recording is overdriven"),
    "quiet": (", recorded very quietly", ", at a very low volume"),
}
MIX_PHRASES = ("{first} while {second}", "{first} and {second} in the background")


def describe_clip(plan: ClipPlan, seed: int) -> str:
    """Return one sentence on what a clip of the corpus with `seed` holds."""
    rng = stream_rng(seed, RandomStream.DESCRIPTION, plan.index)
    heard = [_describe_part(part, rng) for part in plan.parts]
    told = heard[0]
    if len(heard) > 1:
        told = _draw_phrase(MIX_PHRASES, rng).format(first=heard[0], second=heard[1])
    sentence = told + _draw_phrase(EFFECT_PHRASES[plan.production], rng)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _describe_part(part: Part, rng: np.random.Generator) -> str:
    if isinstance(part, SpeechPart):
        return _describe_speech(part.speaker, rng)
    if isinstance(part, SoundPart):
        return _draw_phrase(SOUND_PHRASES[part.sound], rng)
    return _describe_music(part, rng)


def _describe_speech(speaker: Speaker, rng: np.random.Generator) -> str:
    person = {"male": "man", "female": "woman"}.get(speaker.gender, "person")
    who = _draw_phrase(VOICE_PHRASES[speaker.voice], rng).format(gender=person)
    return (
        f"{who} {_draw_phrase(SPEECH_PHRASES, rng).format(language=speaker.language.capitalize())}"
    )


def _describe_music(part: MusicPart, rng: np.random.Generator) -> str:
    words = {
        "a_tempo": _with_article(_draw_phrase(TEMPO_PHRASES[part.tempo], rng)),
        "a_instrument": _with_article(part.instrument),
        "instrument": part.instrument,
        "mode": part.mode,
        "drums": _draw_phrase(DRUM_PHRASES, rng) if part.drums else "",
    }
    return _draw_phrase(
        DRUM_KIT_PHRASES if part.instrument == DRUMS else MUSIC_PHRASES, rng
    ).format(**words)


def _with_article(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def _draw_phrase(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
