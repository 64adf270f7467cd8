"""Multiple-choice questions from true labels, and their wording.

A clip with exactly one value of a field gives one question. The false options are other values of
the field, drawn without replacement in proportion to how many train clips have them: were rare
values drawn as often as frequent ones, then a model that only knows what is frequent would beat
chance by far.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from earmark.config import ConfigError, suggest
from earmark.evaluate.config import QuestionTaskConfig
from earmark.evaluate.splits import matches
from earmark.pretrain.seeds import seeded_rng
from earmark.records import SPLITS, Example

PROVENANCE_FIELDS = frozenset({"collection", "dataset", "file", "recording", "source", "speaker"})
"""Fields that are asked of only where the settings name them: they say where a clip comes from.

Who speaks is one of them: a manifest keeps a speaker's clips in one split, so that the answer would
not be known from train.
"""

YES_OR_NO = frozenset({"yes", "no"})

QUESTION_WORDING = {
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

STATEMENT_WORDING = {
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


def to_words(name: str) -> str:
    """Return a field or value as people write it: "pouring_water" is "pouring water"."""
    return " ".join(name.replace("_", " ").split())


def question_text(field: str, values: Collection[str], config: QuestionTaskConfig) -> str:
    """Return what is asked of a field whose spoken values are `values`."""
    if field in config.question:
        return config.question[field]
    if set(values) <= YES_OR_NO:
        return f"Does this sound have {to_words(field)}?"
    return QUESTION_WORDING.get(field, f"What is the {to_words(field)} of this sound?")


def statement_text(field: str, value: str, config: QuestionTaskConfig) -> str:
    """Return the sentence about a sound whose `field` has this spoken value."""
    if field in config.statement:
        return config.statement[field].replace("{}", value)
    if value in YES_OR_NO:
        return f"the sound of {'no ' if value == 'no' else ''}{to_words(field)}"
    return STATEMENT_WORDING.get(field, "the sound of {}").replace("{}", value)


MIN_VALUES, MAX_VALUES = 2, 200
"""Of a field that is asked of without being named."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A multiple-choice question about a clip; `answer` is the one of `options` that is true.

    Options are spoken values of the label `field`, in the order in which they are shown.
    """

    example: Example
    field: str
    question: str
    options: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class LabelField:
    """A label field that is asked of, and the clips with one known value of it, by split.

    `counts` has the spoken values of train with their clips. `left_out` clips have the label, but
    several values of it, or one that train does not know. `problem` says why the field cannot be
    asked of, and is empty where it can.
    """

    name: str
    question: str
    counts: Mapping[str, int]
    clips: Mapping[str, tuple[Example, ...]]
    left_out: int
    problem: str

    def value(self, example: Example) -> str:
        """Return the spoken value of a clip of this field."""
        return to_words(example.labels[self.name][0])


def label_fields(examples: Sequence[Example], config: QuestionTaskConfig) -> list[LabelField]:
    """Return the fields that the settings ask of.

    Where they name none, these are the fields with 2 to 200 values, in the order of their names,
    without those that say where a clip comes from (`PROVENANCE_FIELDS`).

    Raises:
        ConfigError: a named field is one that no clip has.
    """
    known = {field for example in examples for field, values in example.labels.items() if values}
    for name in (*config.fields, *config.question, *config.statement, *config.where):
        if name not in known:
            raise ConfigError(
                f"evaluate.questions: {config.name!r} names the label field {name!r}, which no "
                f"clip has.{suggest(name, known)}"
            )
    chosen = [example for example in examples if matches(example.labels, config.where)]
    names = config.fields or _default_fields(chosen)
    return [_make_field(name, chosen, config) for name in dict.fromkeys(names)]


def make_questions(
    field: LabelField, split: str, config: QuestionTaskConfig, seed: int
) -> list[Question]:
    """Return one question a clip of the split; options are fixed by (seed, field, clip id)."""
    return [_make_question(field, example, config.options, seed) for example in field.clips[split]]


def _make_question(field: LabelField, example: Example, options: int, seed: int) -> Question:
    answer = field.value(example)
    others = [value for value in field.counts if value != answer]
    weights = np.array([field.counts[value] for value in others], np.float64)
    rng = seeded_rng(seed, "options", field.name, example.id)
    count = min(options - 1, len(others))
    drawn = rng.choice(len(others), count, replace=False, p=weights / weights.sum())
    shown = [answer, *(others[place] for place in drawn)]
    return Question(
        example=example,
        field=field.name,
        question=field.question,
        options=tuple(shown[place] for place in rng.permutation(len(shown))),
        answer=answer,
    )


def _default_fields(examples: Sequence[Example]) -> list[str]:
    values: dict[str, set[str]] = {}
    for example in examples:
        for name, found in example.labels.items():
            values.setdefault(name, set()).update(map(to_words, found))
    return sorted(
        name
        for name, found in values.items()
        if MIN_VALUES <= len(found) <= MAX_VALUES and name not in PROVENANCE_FIELDS
    )


def _make_field(name: str, examples: Sequence[Example], config: QuestionTaskConfig) -> LabelField:
    labelled = [example for example in examples if example.labels.get(name)]
    one = [e for e in labelled if len(set(map(to_words, e.labels[name]))) == 1]
    seen = Counter(to_words(e.labels[name][0]) for e in one if e.split == "train")
    known = [e for e in one if to_words(e.labels[name][0]) in seen]
    clips = {side: tuple(e for e in known if e.split == side) for side in SPLITS}
    return LabelField(
        name=name,
        question=question_text(name, seen, config),
        counts=dict(sorted(seen.items())),
        clips=clips,
        left_out=len(labelled) - len(known),
        problem=_field_problem(name, clips, seen),
    )


def _field_problem(
    name: str, clips: Mapping[str, tuple[Example, ...]], seen: Mapping[str, int]
) -> str:
    if not clips["train"]:
        return "no train clips with one value"
    if len(seen) < MIN_VALUES:
        return "too few classes in train"
    if not clips["test"]:
        return "no test clips of the classes in train"
    if len({to_words(example.labels[name][0]) for example in clips["test"]}) < MIN_VALUES:
        return "one class in test"
    return ""
