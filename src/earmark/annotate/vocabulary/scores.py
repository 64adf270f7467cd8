"""Scores that rank tags; a recipe chooses one of four.

Scores are rounded before they are compared, so that no processor's last bit decides an order.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, Int64

from earmark.annotate.vocabulary.config import ScoreName
from earmark.annotate.vocabulary.counting.count import Tally

SCORE_DECIMALS = 6

INFORMATION_DECIMALS = 3
"""A sum over thousands of pairs is not exact to more."""

MAX_CANDIDATES = 4000
"""Tags that the score "information" weighs against each other: the most frequent ones."""

MIN_COOCCURRENCE = 5
"""Captions that must hold both tags of a pair, else its information is mostly chance."""

_BLOCK = 256
"""Tags whose pairs are weighed at a time: 8 MB an array."""

DocumentFrequencies = Int64[np.ndarray, " tags"]
TagScores = Float64[np.ndarray, " tags"]
Cooccurrence = Callable[[Int64[np.ndarray, " candidates"]], Int64[np.ndarray, "m m"]]
"""Positions of tags to how many captions hold each two of them; the diagonal is not read."""


def score_tag(name: ScoreName, df: int, captions: int) -> float | None:
    """Return the score of a tag in `df` of `captions` captions, None where df does not give it."""
    if name == "paper":
        return round(df * math.log((captions + 1) / (df + 1)), SCORE_DECIMALS)
    if name == "frequency":
        return float(df)
    return None


def paper_scores(df: DocumentFrequencies, captions: int) -> TagScores:
    """Return s(t) = df(t) * ln((N + 1) / (df(t) + 1)), section 3.2 of arXiv 2603.25767.

    It is 0 for a tag that all N captions hold.
    """
    return np.round(df * _idf(df, captions), SCORE_DECIMALS)


def balanced_scores(tally: Tally) -> TagScores:
    """Return the paper's score with every domain heard equally: the macro-average over domains.

    s(t) = N * mean over domains d of  df_d(t) / N_d * ln((N_d + 1) / (df_d(t) + 1)),

    with df_d(t) of the N_d captions of d holding t; domains without captions are left out. Of a
    tag that is as common in each domain, it is the paper's score (up to the ones added).
    """
    total = np.zeros(len(tally.df))
    heard = [d for d, captions in enumerate(tally.captions_by_domain) if captions > 0]
    for d in heard:
        captions = int(tally.captions_by_domain[d])
        df = tally.by_domain[:, d]
        total += df / captions * _idf(df, captions)
    return np.round(total * tally.captions / max(len(heard), 1), SCORE_DECIMALS)


def information_scores(
    df: DocumentFrequencies, captions: int, cooccurrence: Cooccurrence
) -> TagScores:
    """Return what each tag tells of the other tags of its caption, in nats over the corpus.

    s(t) = sum over other candidates u of  max(0, N * I(T; U) - 1/2),

    with I the mutual information of "the caption holds t" and "it holds u". A pair counts where at
    least `MIN_COOCCURRENCE` captions hold both and more do than chance would give: captions have
    few tags, so that any two frequent ones crowd each other out, and that tells nothing of sound.
    The half nat is what two independent tags reach by chance (Miller and Madow's bias,
    (rows - 1) (columns - 1) / 2N of a 2 x 2 table). Tags beyond the `MAX_CANDIDATES` most
    frequent score 0. Candidates with equal df are taken in the order of `df`. Captions with many
    tags have more to tell, and so have the domains whose captions are long.
    """
    candidates = np.argsort(-df, kind="stable")[:MAX_CANDIDATES]
    together = cooccurrence(candidates)
    common, size = df[candidates], len(candidates)
    told = np.zeros(size)
    for start in range(0, size, _BLOCK):
        block = np.triu(together[start : start + _BLOCK], k=start + 1)
        first, second = np.nonzero(block >= MIN_COOCCURRENCE)
        nats = _pair_information(
            block[first, second], common[start + first], common[second], captions
        )
        told += np.bincount(start + first, nats, size) + np.bincount(second, nats, size)
    scores = np.zeros(len(df))
    scores[candidates] = np.round(told, INFORMATION_DECIMALS)
    return scores


def _pair_information(
    both: DocumentFrequencies, left: DocumentFrequencies, right: DocumentFrequencies, captions: int
) -> TagScores:
    """Return N * I less its bias for pairs in `both` captions, 0 where chance would give more."""
    nats = captions * math.log(captions) + sum(
        _n_log_n(cell) for cell in (both, left - both, right - both, captions - left - right + both)
    )
    for margin in (left, right):
        nats -= _n_log_n(margin) + _n_log_n(captions - margin)
    attracted = both.astype(np.float64) * captions > left.astype(np.float64) * right
    return np.where(attracted, np.maximum(nats - 0.5, 0.0), 0.0)


def _n_log_n(counts: DocumentFrequencies) -> TagScores:
    """Return n * ln(n), which is 0 for 0."""
    return counts * np.log(np.maximum(counts, 1))


def _idf(df: DocumentFrequencies, captions: int) -> TagScores:
    """Return ln((N + 1) / (df + 1)), once for each distinct df, by the C library's logarithm."""
    distinct, place = np.unique(df, return_inverse=True)
    ratios = ((captions + 1) / (distinct + 1)).tolist()
    return np.fromiter(map(math.log, ratios), np.float64, len(distinct))[place]
