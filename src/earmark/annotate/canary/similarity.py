"""How similar answers are, and whether they depend on the sound.

Similarity is the cosine of word-stem weights. Measured on the validation captions of AudioCaps and
Clotho, where five people describe each clip: two captions of one clip are 0.40 and 0.19 similar
(medians), captions of two clips 0.00 (95 % are below 0.34 and 0.17). Published answers of
Qwen3-Omni-30B-A3B-Captioner, 300 words and more: 0.46 for one clip, 0.22 to 0.33 for different
ones. No fixed limit separates both kinds, so checks compare the answers of one canary with each
other. Log counts of word stems did as well as plain counts and better than whole words; character
n-grams drown in the phrases that long answers share.

Separability is counted: each sound has three answers. An answer that comes from listening is most
similar to another answer to the same sound; one that does not is most similar to any of the 17
others, 2 of which are to that sound.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import msgspec

TermWeights = Mapping[str, float]
"""Weights by word stem, a vector of length 1; empty for a text without content."""

_FUNCTION_WORDS = """
    a about after again all also an and any are as at be been before being both but by can could
    did do does down during each few for from had has have he her his in into is it its may might
    more most no not of off on one only onto or other out over same several she so some such than
    that the their them then there these they this those through to two under up very was were
    what when where which while who will with would
"""

_STOP_WORDS = frozenset(_FUNCTION_WORDS.split())

# Chinese and Japanese put no spaces between words: there each character stands for itself.
_TOKEN = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]|[^\W_\u3040-\u30ff\u4e00-\u9fff]{2,}")

_SUFFIXES = ("ing", "ed", "es", "ly", "s")

_MIN_STEM_CHARACTERS = 3


def content_words(text: str) -> TermWeights:
    """Return the stems of a text's content words and numbers, each weighing 1 + ln(its count)."""
    found = _TOKEN.findall(text.lower())
    counts = Counter(_stem(word) for word in found if word not in _STOP_WORDS)
    weights = {word: 1 + math.log(count) for word, count in counts.items()}
    length = math.sqrt(sum(weight * weight for weight in weights.values()))
    return {word: weight / length for word, weight in weights.items()}


def similarity(one: TermWeights, other: TermWeights) -> float:
    """Return the cosine of two answers' words, 0 to 1; 1 where both say nothing."""
    if not one or not other:
        return float(not one and not other)
    # Equal answers must tie exactly, whatever the order of their sums.
    return round(sum(weight * other.get(word, 0.0) for word, weight in one.items()), 9)


def max_similarity(one: TermWeights, others: Iterable[TermWeights]) -> float:
    """Return the likeness to the most similar of `others`, 0 where there are none."""
    return max((similarity(one, other) for other in others), default=0.0)


def _stem(word: str) -> str:
    for ending in _SUFFIXES:
        if word.endswith(ending) and len(word) - len(ending) >= _MIN_STEM_CHARACTERS:
            return word[: -len(ending)]
    return word


MIN_SEPARABLE_SHARE = 7 / 18
"""Of six sounds' answers, the share that must be most like one to the same sound.

Where the answers were human captions, each by another person (validation sets of AudioCaps and
Clotho, 600 drawings each): 0.3 to 0.7 % of six clips with their own captions fell short, 0.3 to
0.5 % with captions of any clips passed. And a greedy model that hears no more than the length of
the audio gets 6 of 18, as four of our sounds come in pairs of one length.
"""

STEADY_SEPARABLE_SHARE = 2 / 3
"""Below this share, answers to one sound vary nearly as much as those to different sounds."""

SAME_TEXT_SIMILARITY = 0.9
"""From this mean likeness on, answers to different sounds are one text with trifles changed."""


class Separability(msgspec.Struct, frozen=True):
    """How well answers tell sounds apart.

    Args:
        separable: answers that are most like another one to the same sound.
        total: answers.
        same: mean likeness to the most similar answer to the same sound.
        different: mean likeness to the most similar answer to another sound.
        alike: mean likeness of all answers to different sounds.
    """

    separable: int
    total: int
    same: float
    different: float
    alike: float

    @property
    def ignores_audio(self) -> bool:
        """Whether the answers are no more than chance or one text would show."""
        return (
            self.separable < MIN_SEPARABLE_SHARE * self.total or self.alike >= SAME_TEXT_SIMILARITY
        )

    @property
    def unsteady(self) -> bool:
        """Whether answers to one sound are hardly more alike than those to different ones."""
        return self.separable < STEADY_SEPARABLE_SHARE * self.total


def measure_separability(texts: Mapping[str, Sequence[str]]) -> Separability:
    """Compare the answers to several sounds, two or more each.

    Raises:
        ValueError: there are fewer than two sounds.
    """
    if len(texts) < 2:
        raise ValueError(f"two sounds or more are needed to tell them apart, not {len(texts)}")
    answers = {name: [content_words(text) for text in found] for name, found in texts.items()}
    pairs = [
        _nearest_similarity(answers, name, place)
        for name in answers
        for place in range(len(texts[name]))
    ]
    return Separability(
        separable=sum(own > other for own, other in pairs),
        total=len(pairs),
        same=_mean([own for own, _ in pairs]),
        different=_mean([other for _, other in pairs]),
        alike=_mean(_cross_similarities(texts)),
    )


def nearest_similarities(
    texts: Mapping[str, Sequence[str]],
) -> Mapping[str, Sequence[tuple[float, float]]]:
    """Return, for each answer to each sound, its likeness to the nearest of its own and of others.

    Its own are the other answers to the same sound.
    """
    answers = {name: [content_words(text) for text in found] for name, found in texts.items()}
    return {
        name: [_nearest_similarity(answers, name, place) for place in range(len(found))]
        for name, found in answers.items()
    }


def _nearest_similarity(
    answers: Mapping[str, Sequence[TermWeights]], name: str, place: int
) -> tuple[float, float]:
    """Return one answer's likeness to the nearest to its own sound, and to another."""
    one = answers[name][place]
    own = [words for other, words in enumerate(answers[name]) if other != place]
    others = [words for sound, found in answers.items() if sound != name for words in found]
    return max_similarity(one, own), max_similarity(one, others)


def _cross_similarities(texts: Mapping[str, Sequence[str]]) -> list[float]:
    """Return the likeness of every two answers to different sounds."""
    answers = [[content_words(text) for text in found] for found in texts.values()]
    return [
        similarity(one, other)
        for first, second in combinations(answers, 2)
        for one in first
        for other in second
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
