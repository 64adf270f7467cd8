"""BLEU of a set of captions (Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of
Machine Translation", sections 2.1 to 2.3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from earmark.evaluate.words import Ngram, ngrams

LONGEST = 4
"""Longest n-grams that are counted."""

Words = tuple[str, ...]


def bleu_counts(
    candidates: Sequence[Words], references: Sequence[Sequence[Words]]
) -> Float64[np.ndarray, "clips 10"]:
    """Return what BLEU is made of: sums over clips of these rows are those of the set.

    For n = 1 to 4 the matched n-grams of a candidate (each at most as often as in the reference
    that has it most often), then for n = 1 to 4 its n-grams, its words, and the words of the
    reference nearest in length (of two as near, the shorter).
    """
    rows = [_row(own, refs) for own, refs in zip(candidates, references, strict=True)]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 2 * LONGEST + 2)


def bleu(
    counts: Float64[np.ndarray, "resamples 10"], longest: int
) -> Float64[np.ndarray, " resamples"]:
    """Return BLEU-`longest` of summed counts, 0 to 1.

    exp(min(0, 1 - r / c) + mean over n of log p_n), with p_n the matched share of the n-grams, c
    the words of the candidates and r those of the references. No smoothing: where no n-gram of a
    length matches, it is 0.
    """
    matched, total = counts[:, :longest], counts[:, LONGEST : LONGEST + longest]
    written, wanted = counts[:, -2], counts[:, -1]
    some = np.all(matched > 0, axis=1)
    shares = np.where(some[:, None], matched / np.maximum(total, 1), 1.0)
    brevity = np.minimum(0.0, 1 - wanted / np.maximum(written, 1))
    return np.where(some, np.exp(brevity + np.log(shares).mean(axis=1)), 0.0)


def _row(candidate: Words, references: Sequence[Words]) -> list[int]:
    matched = [_matched(candidate, references, length) for length in range(1, LONGEST + 1)]
    total = [max(len(candidate) - length + 1, 0) for length in range(1, LONGEST + 1)]
    nearest = min((abs(len(words) - len(candidate)), len(words)) for words in references)[1]
    return [*matched, *total, len(candidate), nearest]


def _matched(candidate: Words, references: Sequence[Words], length: int) -> int:
    most = Counter[Ngram]()
    for words in references:
        most |= Counter(ngrams(words, length))
    return (Counter(ngrams(candidate, length)) & most).total()
