"""How alike two answers are, by the words that carry their content.

Measured on the validation captions of AudioCaps and Clotho, where five people describe each clip:
two captions of one clip are 0.40 and 0.19 alike (medians), captions of two clips 0.00 (95 % are
below 0.34 and 0.17). Published answers of Qwen3-Omni-30B-A3B-Captioner, 300 words and more: 0.46
for one clip, 0.22 to 0.33 for different ones. No fixed bound tells both kinds apart, so verdicts
compare the answers of one canary with each other. Log counts of word stems did as well as plain
counts and better than whole words; character n-grams drown in the phrases that long answers share.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

Words = Mapping[str, float]
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
_ENDINGS = ("ing", "ed", "es", "ly", "s")
_SHORTEST_STEM = 3


def content_words(text: str) -> Words:
    """Return the stems of a text's content words and numbers, each weighing 1 + ln(its count)."""
    found = _TOKEN.findall(text.lower())
    counts = Counter(_stem(word) for word in found if word not in _STOP_WORDS)
    weights = {word: 1 + math.log(count) for word, count in counts.items()}
    length = math.sqrt(sum(weight * weight for weight in weights.values()))
    return {word: weight / length for word, weight in weights.items()}


def likeness(one: Words, other: Words) -> float:
    """Return the cosine of two answers' words, 0 to 1; 1 where both say nothing."""
    if not one or not other:
        return float(not one and not other)
    # Equal answers must tie exactly, whatever the order of their sums.
    return round(sum(weight * other.get(word, 0.0) for word, weight in one.items()), 9)


def most_alike(one: Words, others: Iterable[Words]) -> float:
    """Return the likeness to the most similar of `others`, 0 where there are none."""
    return max((likeness(one, other) for other in others), default=0.0)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word[: -len(ending)]
    return word
