"""Do answers depend on the sound? Counted, not measured against a bound that no text respects.

Each sound has three answers. An answer that comes from listening is most like another answer to
the same sound; one that does not is most like any of the 17 others, 2 of which are to that sound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import msgspec

from earmark.annotate.canary.likeness import Words, content_words, likeness, most_alike

LEAST_TOLD = 7 / 18
"""Of six sounds' answers, the share that must be most like one to the same sound.

Where the answers were human captions, each by another person (validation sets of AudioCaps and
Clotho, 600 drawings each): 0.3 to 0.7 % of six clips with their own captions fell short, 0.3 to
0.5 % with captions of any clips passed. And a greedy model that hears no more than the length of
the audio gets 6 of 18, as four of our sounds come in pairs of one length.
"""

WELL_TOLD = 2 / 3
"""Below this share, answers to one sound vary nearly as much as those to different sounds."""

SAME_TEXT = 0.9
"""From this mean likeness on, answers to different sounds are one text with trifles changed."""


class Telling(msgspec.Struct, frozen=True):
    """How well answers tell sounds apart.

    Args:
        told: answers that are most like another one to the same sound.
        total: answers.
        same: mean likeness to the most similar answer to the same sound.
        different: mean likeness to the most similar answer to another sound.
        alike: mean likeness of all answers to different sounds.
    """

    told: int
    total: int
    same: float
    different: float
    alike: float

    @property
    def ignores_audio(self) -> bool:
        """Whether the answers are no more than chance or one text would show."""
        return self.told < LEAST_TOLD * self.total or self.alike >= SAME_TEXT

    @property
    def unsteady(self) -> bool:
        """Whether answers to one sound are hardly more alike than those to different ones."""
        return self.told < WELL_TOLD * self.total


def tell_apart(texts: Mapping[str, Sequence[str]]) -> Telling:
    """Compare the answers to several sounds, two or more each.

    Raises:
        ValueError: there are fewer than two sounds.
    """
    if len(texts) < 2:
        raise ValueError(f"two sounds or more are needed to tell them apart, not {len(texts)}")
    answers = {name: [content_words(text) for text in found] for name, found in texts.items()}
    pairs = [
        _nearest(answers, name, place) for name in answers for place in range(len(texts[name]))
    ]
    return Telling(
        told=sum(own > other for own, other in pairs),
        total=len(pairs),
        same=_mean([own for own, _ in pairs]),
        different=_mean([other for _, other in pairs]),
        alike=_mean(_across(texts)),
    )


def nearest_answers(
    texts: Mapping[str, Sequence[str]],
) -> Mapping[str, Sequence[tuple[float, float]]]:
    """Return, for each answer to each sound, its likeness to the nearest of its own and of others.

    Its own are the other answers to the same sound.
    """
    answers = {name: [content_words(text) for text in found] for name, found in texts.items()}
    return {
        name: [_nearest(answers, name, place) for place in range(len(found))]
        for name, found in answers.items()
    }


def _nearest(answers: Mapping[str, Sequence[Words]], name: str, place: int) -> tuple[float, float]:
    """Return one answer's likeness to the nearest to its own sound, and to another."""
    one = answers[name][place]
    own = [words for other, words in enumerate(answers[name]) if other != place]
    others = [words for sound, found in answers.items() if sound != name for words in found]
    return most_alike(one, own), most_alike(one, others)


def _across(texts: Mapping[str, Sequence[str]]) -> list[float]:
    """Return the likeness of every two answers to different sounds."""
    answers = [[content_words(text) for text in found] for found in texts.values()]
    return [
        likeness(one, other)
        for first, second in combinations(answers, 2)
        for one in first
        for other in second
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
