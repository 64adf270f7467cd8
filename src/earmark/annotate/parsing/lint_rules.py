"""Loops in generated text: the same words again and again.

Two measures, as models degenerate in two ways. A loop repeats a stretch back to back until it is
cut off (Holtzman et al., "The curious case of neural text degeneration", 2020); a rut says the
same things over in changing order, so that a large share of its n-grams are not new (the measure
of Rae et al., "Scaling language models", 2021, appendix A.1). Refrains and laughter stay below
both: they are short against the text that holds them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from earmark.annotate.parsing.text import WIDE

LEAST_LOOP_WORDS = 24
"""A loop covers at least so many words: ten times "ha" is laughter."""

LEAST_REPEATED_NGRAMS = LEAST_LOOP_WORDS // 2 - 3
"""That any loop of so many words has: it repeats at least half of them."""

LEAST_RUN_CHARACTERS = 48
"""A loop without spaces ("hahaha...", "!!!!!!...") is at least so long."""

LONGEST_UNIT_CHARACTERS = 8

NGRAM = 4
FEWEST_NGRAMS = 30
"""Texts with fewer n-grams have too few for a share."""

LEAST_SPACED = 1 / 12
"""Fewer words than this a character, and the text is of a script without spaces."""

_UNSPACED_WORD = re.compile(rf"[{WIDE}]|[^\W{WIDE}]+")


def is_repetitive(text: str, most_repeats: int, most_repeated_share: float) -> bool:
    """Whether `text` loops.

    Args:
        text: any text; case does not count.
        most_repeats: times that the same words may stand one after the other.
        most_repeated_share: of the text's 4-grams, may have stood in it before (0 to 1).
    """
    words = text.lower().split()
    if any(len(word) >= LEAST_RUN_CHARACTERS and _loops_within(word) for word in words):
        return True
    if len(words) < LEAST_SPACED * len(text):
        words = _UNSPACED_WORD.findall(text.lower())
    count = len(words) - NGRAM + 1
    repeated = count - len(set(zip(*(words[skip:] for skip in range(NGRAM)), strict=False)))
    if count >= FEWEST_NGRAMS and repeated > most_repeated_share * count:
        return True
    return repeated >= LEAST_REPEATED_NGRAMS and _loops(words, most_repeats)


def _loops(words: Sequence[str], most_repeats: int) -> bool:
    """Whether a stretch of words stands more than `most_repeats` times in a row."""
    for period in _periods(words):
        differ = [i for i in range(len(words) - period) if words[i] != words[i + period]]
        edges = [-1, *differ, len(words) - period]
        covered = max(after - before - 1 for before, after in pairwise(edges)) + period
        if covered >= max(LEAST_LOOP_WORDS, (most_repeats + 1) * period):
            return True
    return False


def _periods(words: Sequence[str]) -> list[int]:
    """Return the distances at which n-grams come again often enough to be a loop's period."""
    last: dict[tuple[str, ...], int] = {}
    distances: Counter[int] = Counter()
    for position, ngram in enumerate(zip(*(words[skip:] for skip in range(NGRAM)), strict=False)):
        if ngram in last:
            distances[position - last[ngram]] += 1
        last[ngram] = position
    return [distance for distance, count in distances.items() if count >= LEAST_REPEATED_NGRAMS]


def _loops_within(word: str) -> bool:
    """Whether a long run without spaces ends in one to eight characters, repeated."""
    tail = word[-LEAST_RUN_CHARACTERS:]
    periods = range(1, LONGEST_UNIT_CHARACTERS + 1)
    return not _is_rule(tail) and any(tail[period:] == tail[:-period] for period in periods)


def _is_rule(run: str) -> bool:
    """Whether this is a line drawn in Markdown or a table's border."""
    return not set(run) - set("-=_*~|:+")
