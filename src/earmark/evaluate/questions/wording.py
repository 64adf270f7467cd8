"""Label fields and their values in words: what is asked, and what an option says of the sound."""

from __future__ import annotations

from collections.abc import Collection

from earmark.evaluate.config import QuestionsConfig

NOT_OF_THE_SOUND = frozenset({"collection", "dataset", "file", "recording", "source", "speaker"})
"""Fields that are asked of only where the settings name them: they say where a clip comes from.

Who speaks is one of them: a manifest keeps a speaker's clips in one split, so that the answer would
not be known from train.
"""

YES_OR_NO = frozenset({"yes", "no"})

QUESTIONS = {
    "category": "What is heard in this sound?",
    "class": "What is heard in this sound?",
    "label": "What is heard in this sound?",
    "sound": "What is heard in this sound?",
    "superclass": "What kind of sound is this?",
    "domain": "What kind of sound is this?",
    "gender": "What is the gender of the speaker in this sound?",
    "age": "How old is the speaker in this sound?",
    "age_group": "How old is the speaker in this sound?",
    "emotion": "Which emotion does the voice in this sound show?",
    "language": "Which language is spoken in this sound?",
    "voice": "What kind of voice is heard in this sound?",
    "speaker": "Who speaks in this sound?",
    "instrument": "What is the instrument of this sound?",
    "family": "Which family of instruments is heard in this sound?",
    "genre": "What is the genre of this music?",
    "mode": "In which mode is this music?",
    "tempo": "What is the tempo of this music?",
}

STATEMENTS = {
    "gender": "the sound of a {} voice",
    "age": "the sound of a speaker of age {}",
    "age_group": "the sound of a speaker who is {}",
    "emotion": "the sound of a voice that is {}",
    "language": "the sound of someone speaking {}",
    "voice": "the sound of a {} voice",
    "speaker": "the sound of {} speaking",
    "genre": "the sound of {} music",
    "mode": "the sound of music in a {} mode",
    "tempo": "the sound of music at a {} tempo",
}


def spoken(name: str) -> str:
    """Return a field or value as people write it: "pouring_water" is "pouring water"."""
    return " ".join(name.replace("_", " ").split())


def question_of(field: str, values: Collection[str], config: QuestionsConfig) -> str:
    """Return what is asked of a field whose spoken values are `values`."""
    if field in config.question:
        return config.question[field]
    if set(values) <= YES_OR_NO:
        return f"Does this sound have {spoken(field)}?"
    return QUESTIONS.get(field, f"What is the {spoken(field)} of this sound?")


def statement_of(field: str, value: str, config: QuestionsConfig) -> str:
    """Return the sentence about a sound whose `field` has this spoken value."""
    if field in config.statement:
        return config.statement[field].replace("{}", value)
    if value in YES_OR_NO:
        return f"the sound of {'no ' if value == 'no' else ''}{spoken(field)}"
    return STATEMENTS.get(field, "the sound of {}").replace("{}", value)
