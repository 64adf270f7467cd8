"""Metrics of captions in plain Python: no Java, nothing to download.

Each is a sum over clips, so that bootstrap resamples cost one matrix product.

* BLEU (Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation",
  sections 2.1 to 2.3).
* CIDEr-D: similarity of n-grams, weighted by how informative they are (Vedantam et al. 2015, arXiv
  1411.5726, sections 3 and 5).
* A metric after METEOR: words matched as they are or by their stem, with a penalty for fragments
  (Banerjee & Lavie 2005, "METEOR: An Automatic Metric for MT Evaluation with Improved Correlation
  with Human Judgments"), without its WordNet module: synonyms do not match. Values therefore lie
  below those of METEOR; compare them only with one another.
* ROUGE-L: the longest common subsequence (Lin 2004, "ROUGE: A Package for Automatic Evaluation of
  Summaries", section 3).
* SPIDEr: half CIDEr-D, half SPICE (Liu et al. 2017, arXiv 1612.00370, section 4).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from earmark.evaluate.words import Ngram, ngrams, stem, tokenize

BLEU_MAX_N = 4
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
    rows = [_bleu_row(own, refs) for own, refs in zip(candidates, references, strict=True)]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 2 * BLEU_MAX_N + 2)


def bleu(
    counts: Float64[np.ndarray, "resamples 10"], longest: int
) -> Float64[np.ndarray, " resamples"]:
    """Return BLEU-`longest` of summed counts, 0 to 1.

    exp(min(0, 1 - r / c) + mean over n of log p_n), with p_n the matched share of the n-grams, c
    the words of the candidates and r those of the references. No smoothing: where no n-gram of a
    length matches, it is 0.
    """
    matched, total = counts[:, :longest], counts[:, BLEU_MAX_N : BLEU_MAX_N + longest]
    written, wanted = counts[:, -2], counts[:, -1]
    some = np.all(matched > 0, axis=1)
    shares = np.where(some[:, None], matched / np.maximum(total, 1), 1.0)
    brevity = np.minimum(0.0, 1 - wanted / np.maximum(written, 1))
    return np.where(some, np.exp(brevity + np.log(shares).mean(axis=1)), 0.0)


def _bleu_row(candidate: Words, references: Sequence[Words]) -> list[int]:
    matched = [
        _matched_ngrams(candidate, references, length) for length in range(1, BLEU_MAX_N + 1)
    ]
    total = [max(len(candidate) - length + 1, 0) for length in range(1, BLEU_MAX_N + 1)]
    nearest = min((abs(len(words) - len(candidate)), len(words)) for words in references)[1]
    return [*matched, *total, len(candidate), nearest]


def _matched_ngrams(candidate: Words, references: Sequence[Words], length: int) -> int:
    most = Counter[Ngram]()
    for words in references:
        most |= Counter(ngrams(words, length))
    return (Counter(ngrams(candidate, length)) & most).total()


CIDER_MAX_N = 4
"""Longest n-grams that are counted."""

CIDER_SIGMA = 6.0
"""Width, in words, of the penalty on a difference in length."""

CIDER_SCALE = 10.0

NgramWeights = Mapping[Ngram, float]


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
        gram
        for own in references
        for gram in {gram for words in own for gram in _all_ngrams(words)}
    )
    clips = len(references)
    values = [
        _cider_of_clip(candidate, own, frequencies, clips)
        for candidate, own in zip(candidates, references, strict=True)
    ]
    return np.array(values, dtype=np.float64)


def _cider_of_clip(
    candidate: Words, references: Sequence[Words], frequencies: Counter[Ngram], clips: int
) -> float:
    ours = _tfidf_vectors(candidate, frequencies, clips)
    total = 0.0
    for words in references:
        theirs = _tfidf_vectors(words, frequencies, clips)
        apart = len(candidate) - len(words)
        near = math.exp(-(apart**2) / (2 * CIDER_SIGMA**2))
        total += near * sum(map(_clipped_cosine, ours, theirs)) / CIDER_MAX_N
    return CIDER_SCALE * total / len(references)


def _tfidf_vectors(words: Words, frequencies: Counter[Ngram], clips: int) -> list[NgramWeights]:
    return [
        {
            gram: count * (math.log(clips) - math.log(max(frequencies[gram], 1)))
            for gram, count in Counter(ngrams(words, length)).items()
        }
        for length in range(1, CIDER_MAX_N + 1)
    ]


def _clipped_cosine(ours: NgramWeights, theirs: NgramWeights) -> float:
    norms = math.hypot(*ours.values()) * math.hypot(*theirs.values())
    shared = ours.keys() & theirs.keys()
    product = sum(min(ours[gram], theirs[gram]) * theirs[gram] for gram in sorted(shared))
    return product / norms if norms > 0 else 0.0


def _all_ngrams(words: Words) -> list[Ngram]:
    return [gram for length in range(1, CIDER_MAX_N + 1) for gram in ngrams(words, length)]


METEOR_RECALL_WEIGHT = 9
"""F = 10 P R / (R + 9 P)."""

METEOR_PENALTY = 0.5

METEOR_PENALTY_EXPONENT = 3

WordAlignment = dict[int, int]
"""Places in the reference by places in the candidate."""


def meteor_like(candidate: Words, references: Sequence[Words]) -> float:
    """Return the score with the best reference, 0 to below 1: F (1 - 0.5 (chunks / matches)^3)."""
    return max((_meteor_score(candidate, words) for words in references), default=0.0)


def align_words(candidate: Words, reference: Words) -> WordAlignment:
    """Match each word at most once: first equal words, then of the rest equal stems.

    Among equal words the one that goes on where the match before it ended is taken, else the first
    that is free: an approximation of the fewest crossings that METEOR searches for.
    """
    alignment: WordAlignment = {}
    for form in (_identity, stem):
        _extend_alignment(alignment, candidate, reference, form)
    return alignment


def count_chunks(alignment: WordAlignment) -> int:
    """Return in how few runs, adjacent and in order on both sides, the matches lie."""
    return sum(alignment.get(place - 1, -2) + 1 != other for place, other in alignment.items())


def _meteor_score(candidate: Words, reference: Words) -> float:
    alignment = align_words(candidate, reference)
    if not alignment:
        return 0.0
    precision = len(alignment) / len(candidate)
    recall = len(alignment) / len(reference)
    mean = (
        (1 + METEOR_RECALL_WEIGHT)
        * precision
        * recall
        / (recall + METEOR_RECALL_WEIGHT * precision)
    )
    return mean * (
        1 - METEOR_PENALTY * (count_chunks(alignment) / len(alignment)) ** METEOR_PENALTY_EXPONENT
    )


def _extend_alignment(
    alignment: WordAlignment, candidate: Words, reference: Words, form: Callable[[str], str]
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


def _identity(word: str) -> str:
    return word


ROUGE_BETA = 1.2
"""How much more recall counts than precision, as in the evaluation of COCO (arXiv 1504.00325)."""


def rouge_l(candidate: Words, references: Sequence[Words]) -> float:
    """Return ROUGE-L of one caption, 0 to 1.

    (1 + b^2) P R / (R + b^2 P), where of several references the best precision P = LCS / words of
    the candidate and the best recall R = LCS / words of the reference count, as in COCO's.
    """
    if not candidate:
        return 0.0
    common = [(lcs_length(candidate, words), len(words)) for words in references]
    precision = max(shared / len(candidate) for shared, _ in common)
    recall = max(shared / max(length, 1) for shared, length in common)
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + ROUGE_BETA**2) * precision * recall / (recall + ROUGE_BETA**2 * precision)


def lcs_length(first: Words, second: Words) -> int:
    """Return the length of the longest common subsequence."""
    above = [0] * (len(second) + 1)
    for word in first:
        row = [0]
        for place, other in enumerate(second):
            row.append(above[place] + 1 if word == other else max(row[-1], above[place + 1]))
        above = row
    return above[-1]


def spider(cider_d: float, spice: float) -> float:
    """Return SPIDEr, the mean of CIDEr-D (0 to 10) and SPICE (0 to 1).

    SPICE (arXiv 1607.08822) parses captions into scenes by a parser in Java, which is not part of
    earmark: a SPICE value that was worked out elsewhere must be given.
    """
    return (cider_d + spice) / 2


CAPTION_METRICS = (
    *(f"bleu_{length}" for length in range(1, BLEU_MAX_N + 1)),
    *("rouge_l", "meteor_like", "cider_d"),
)
"""The names of `caption_metrics`, in order."""


@dataclass(frozen=True)
class CaptionMetric:
    """A metric of a set of captions, from 0 to 1 (CIDEr-D: 0 to 10), higher is better.

    `rows` is what each clip adds; `combine` makes the metric of weighted sums over clips.
    """

    name: str
    rows: Float64[np.ndarray, "clips parts"]
    combine: Callable[[Float64[np.ndarray, "resamples parts"]], Float64[np.ndarray, " resamples"]]

    def value(self) -> float:
        """Return the metric of the whole set."""
        return float(self.measure(np.ones((1, len(self.rows))))[0])

    def measure(
        self, weights: Float64[np.ndarray, "resamples clips"]
    ) -> Float64[np.ndarray, " resamples"]:
        """Return the metric of each resample; `weights` is how often it holds each clip.

        BLEU is that of the resampled set. Document frequencies of CIDEr-D stay those of the whole
        set: what a clip's caption is worth does not change from one resample to the next.
        """
        return self.combine(weights @ self.rows)


def caption_metrics(
    candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> list[CaptionMetric]:
    """Return every metric of a set of captions, in the order of `CAPTION_METRICS`.

    Args:
        candidates: one caption a clip; an empty one scores 0.
        references: the clip's own texts, at least one each.
    """
    ours = [tokenize(text) for text in candidates]
    theirs = [[tokenize(text) for text in texts] for texts in references]
    counts = bleu_counts(ours, theirs)
    pairs = list(zip(ours, theirs, strict=True))
    return [
        *(_bleu_metric(counts, length) for length in range(1, BLEU_MAX_N + 1)),
        _mean_metric("rouge_l", np.array([rouge_l(own, refs) for own, refs in pairs])),
        _mean_metric("meteor_like", np.array([meteor_like(own, refs) for own, refs in pairs])),
        _mean_metric("cider_d", cider_d(ours, theirs)),
    ]


def _bleu_metric(counts: Float64[np.ndarray, "clips parts"], longest: int) -> CaptionMetric:
    return CaptionMetric(f"bleu_{longest}", counts, lambda sums: bleu(sums, longest))


def _mean_metric(name: str, values: Float64[np.ndarray, " clips"]) -> CaptionMetric:
    rows = np.stack([values, np.ones(len(values))], axis=1)
    return CaptionMetric(name, rows, lambda sums: sums[:, 0] / sums[:, 1])
