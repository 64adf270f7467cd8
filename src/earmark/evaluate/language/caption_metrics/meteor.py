"""A metric after METEOR: words matched as they are or by their stem, with a penalty for fragments.

Banerjee & Lavie 2005 ("METEOR: An Automatic Metric for MT Evaluation with Improved Correlation with
Human Judgments"), without its WordNet module: synonyms do not match. Values therefore lie below
those of METEOR and are only fit to be compared with one another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from earmark.evaluate.language.caption_metrics.stems import stem

RECALL_WEIGHT = 9
"""F = 10 P R / (R + 9 P)."""
PENALTY = 0.5
PENALTY_EXPONENT = 3

Words = tuple[str, ...]
Alignment = dict[int, int]
"""Places in the reference by places in the candidate."""


def meteor_like(candidate: Words, references: Sequence[Words]) -> float:
    """Return the score with the best reference, 0 to below 1: F (1 - 0.5 (chunks / matches)^3)."""
    return max((_scored(candidate, words) for words in references), default=0.0)


def align(candidate: Words, reference: Words) -> Alignment:
    """Match each word at most once: first equal words, then of the rest equal stems.

    Among equal words the one that goes on where the match before it ended is taken, else the first
    that is free: an approximation of the fewest crossings that METEOR searches for.
    """
    alignment: Alignment = {}
    for form in (_itself, stem):
        _extend(alignment, candidate, reference, form)
    return alignment


def chunks(alignment: Alignment) -> int:
    """Return in how few runs, adjacent and in order on both sides, the matches lie."""
    return sum(alignment.get(place - 1, -2) + 1 != other for place, other in alignment.items())


def _scored(candidate: Words, reference: Words) -> float:
    alignment = align(candidate, reference)
    if not alignment:
        return 0.0
    precision = len(alignment) / len(candidate)
    recall = len(alignment) / len(reference)
    mean = (1 + RECALL_WEIGHT) * precision * recall / (recall + RECALL_WEIGHT * precision)
    return mean * (1 - PENALTY * (chunks(alignment) / len(alignment)) ** PENALTY_EXPONENT)


def _extend(
    alignment: Alignment, candidate: Words, reference: Words, form: Callable[[str], str]
) -> None:
    taken = set(alignment.values())
    ours, theirs = [form(word) for word in candidate], [form(word) for word in reference]
    for place, word in enumerate(ours):
        if place in alignment:
            continue
        free = [other for other, name in enumerate(theirs) if name == word and other not in taken]
        if free:
            next_one = alignment.get(place - 1, -2) + 1
            alignment[place] = next_one if next_one in free else free[0]
            taken.add(alignment[place])


def _itself(word: str) -> str:
    return word
