"""CIDEr-D: how alike captions are in n-grams, weighed by how telling those are (Vedantam et al.
2015, arXiv 1411.5726, sections 3 and 5).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from earmark.evaluate.words import Ngram, ngrams

LONGEST = 4
"""Longest n-grams that are counted."""
SIGMA = 6.0
"""Width, in words, of the penalty on a difference in length."""
SCALE = 10.0

Words = tuple[str, ...]
Weights = Mapping[Ngram, float]


def cider_d(
    candidates: Sequence[Words], references: Sequence[Sequence[Words]]
) -> Float64[np.ndarray, " clips"]:
    """Return CIDEr-D of each clip, 0 to 10; that of the set is their mean.

    10 times the mean over n = 1 to 4 and over references r of exp(-(l_c - l_r)^2 / (2 sigma^2))
    min(g_c, g_r) . g_r / (|g_c| |g_r|), where g are counts of n-grams times
    log(clips / clips with a reference that has the n-gram). The set is `references`: a subset has
    other frequencies, hence other values.
    """
    frequencies = Counter(
        gram for own in references for gram in {gram for words in own for gram in _grams(words)}
    )
    clips = len(references)
    values = [
        _clip(candidate, own, frequencies, clips)
        for candidate, own in zip(candidates, references, strict=True)
    ]
    return np.array(values, dtype=np.float64)


def _clip(
    candidate: Words, references: Sequence[Words], frequencies: Counter[Ngram], clips: int
) -> float:
    ours = _vectors(candidate, frequencies, clips)
    total = 0.0
    for words in references:
        theirs = _vectors(words, frequencies, clips)
        apart = len(candidate) - len(words)
        near = math.exp(-(apart**2) / (2 * SIGMA**2))
        total += near * sum(map(_clipped_cosine, ours, theirs)) / LONGEST
    return SCALE * total / len(references)


def _vectors(words: Words, frequencies: Counter[Ngram], clips: int) -> list[Weights]:
    return [
        {
            gram: count * (math.log(clips) - math.log(max(frequencies[gram], 1)))
            for gram, count in Counter(ngrams(words, length)).items()
        }
        for length in range(1, LONGEST + 1)
    ]


def _clipped_cosine(ours: Weights, theirs: Weights) -> float:
    norms = math.hypot(*ours.values()) * math.hypot(*theirs.values())
    shared = ours.keys() & theirs.keys()
    product = sum(min(ours[gram], theirs[gram]) * theirs[gram] for gram in sorted(shared))
    return product / norms if norms > 0 else 0.0


def _grams(words: Words) -> list[Ngram]:
    return [gram for length in range(1, LONGEST + 1) for gram in ngrams(words, length)]
