"""What the sentences of a caption are written from: the facts of a clip, and small tools of
English.

The tools are lists, numbers, and a fixed choice among phrases of equal meaning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from earmark.annotate.backends.acoustic.analysis import Measurements, classify_clip
from earmark.annotate.backends.acoustic.descriptors import (
    Manner,
    Traits,
    choose_manner,
    choose_traits,
)
from earmark.annotate.backends.acoustic.sound_events import ClipKind, NamedEvents, name_events

_NUMBER_WORDS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
)


@dataclass(frozen=True)
class WordingChooser:
    """Chooses among wordings by a clip's content, so that equal audio reads the same anywhere."""

    seed: str

    def __call__(self, slot: str, *options: str) -> str:
        """Return one of `options`; `slot` names the sentence, so that choices are independent."""
        digest = hashlib.blake2b(f"{self.seed}/{slot}".encode(), digest_size=8).digest()
        return options[int.from_bytes(digest, "big") % len(options)]


def join_list(items: Sequence[str], last: str = "and") -> str:
    """Return "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def unique_words(*words: str | None) -> list[str]:
    """Return the words that there are, each once."""
    return list(dict.fromkeys(word for word in words if word))


def join_predicates(words: Sequence[str], first: str, following: str) -> list[str]:
    """Return clauses of at most two predicates each: "it is loud and even", "it is also busy"."""
    pairs = [words[place : place + 2] for place in range(0, len(words), 2)]
    glue = [" and " if "," not in "".join(pair) else ", and " for pair in pairs]
    openings = [first, *([following] * len(pairs))]
    return [
        f"{opening} {join.join(pair)}"
        for opening, join, pair in zip(openings, glue, pairs, strict=False)
    ]


def with_article(words: str) -> str:
    """Return "a bright voice", "an even hum"."""
    return f"{'an' if words[:1].lower() in 'aeiou' else 'a'} {words}"


def as_sentence(words: str) -> str:
    """Return words with a capital at the front and a full stop at the end."""
    return f"{words[:1].upper()}{words[1:]}."


def spell_count(number: int) -> str:
    """Return a number as people write it: words up to ten."""
    return _NUMBER_WORDS[number] if number < len(_NUMBER_WORDS) else str(number)


def format_frequency(frequency_hz: float) -> str:
    """Return a frequency with two significant digits or so: "210 Hz", "1.2 kHz"."""
    if frequency_hz >= 1000.0:
        return f"{frequency_hz / 1000.0:.1f} kHz"
    step = 5 if frequency_hz < 200.0 else 10
    return f"{round(frequency_hz / step) * step} Hz"


def around_frequency(frequency_hz: float) -> str:
    """Return "around 210 Hz"."""
    return f"around {format_frequency(frequency_hz)}"


@dataclass(frozen=True)
class CaptionFacts:
    """All that sentences are written from."""

    measured: Measurements
    kind: ClipKind
    named: NamedEvents
    traits: Traits
    manner: Manner
    choose: WordingChooser


def collect_facts(measured: Measurements, seed: str) -> CaptionFacts:
    """Choose kind, names and traits; `seed`, a digest of the clip, chooses among wordings."""
    kind = classify_clip(measured)
    named = name_events(measured.events or (), kind)
    traits, manner = choose_traits(measured, kind), choose_manner(measured, kind)
    return CaptionFacts(measured, kind, named, traits, manner, WordingChooser(seed))
