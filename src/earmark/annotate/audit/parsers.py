"""The parser study: two taggers on the same captions, against each other and against people.

The paper (section 3.1) argues that a language model's tags are better than those picked by part
of speech; here both are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .agreement import Judged, judge
from .intervals import Rates, grouped, rates
from .match import matchers
from .names import denies, lemmas_of, words_of
from .results import ParserScore


class Sampled(NamedTuple):
    """A caption that both taggers were given; `recording` names the row it is of."""

    id: str
    recording: str
    text: str
    labels: tuple[str, ...]


def sample(rows: Sequence[Sampled], size: int, rng: np.random.Generator) -> list[Sampled]:
    """Return `size` of the rows, or all, in their order."""
    chosen = rng.permutation(len(rows))[:size]
    return [rows[index] for index in sorted(chosen.tolist())]


def compare(
    source: str,
    rows: Sequence[Sampled],
    taggers: Mapping[str, Mapping[str, tuple[str, ...]]],
    *,
    resamples: int,
    seed: int,
) -> list[ParserScore]:
    """Return a score for each of two taggers.

    Args:
        source: what the captions are of.
        rows: the captions that both were given.
        taggers: by tagger, the tags of each caption; a caption that is not there was unreadable.
        resamples: bootstrap draws behind each interval.
        seed: equal seeds give equal intervals.
    """
    return [_score(source, name, rows, taggers, resamples=resamples, seed=seed) for name in taggers]


def _score(
    source: str,
    name: str,
    rows: Sequence[Sampled],
    taggers: Mapping[str, Mapping[str, tuple[str, ...]]],
    *,
    resamples: int,
    seed: int,
) -> ParserScore:
    own = taggers[name]
    others = [tags for other, tags in taggers.items() if other != name]
    tags = [own.get(row.id, ()) for row in rows]
    uses = sum(map(len, tags))
    grounded = sum(_grounded(each, row.text) for each, row in zip(tags, rows, strict=True))
    same = [
        _jaccard(own.get(row.id, ()), other.get(row.id, ())) for other in others for row in rows
    ]
    found = _against_people(rows, tags, resamples, seed)
    return ParserScore(
        source=source,
        tagger=name,
        captions=len(rows),
        unreadable=sum(row.id not in own for row in rows),
        tags_mean=uses / len(rows) if rows else 0.0,
        distinct=len({tag for each in tags for tag in each}),
        grounded=grounded / uses if uses else float("nan"),
        same=float(np.mean(same)) if same else float("nan"),
        precision=found.precision.value,
        recall=found.recall.value,
        f1=found.f1.value,
        f1_low=found.f1.low,
        f1_high=found.f1.high,
    )


def _against_people(
    rows: Sequence[Sampled], tags: Sequence[tuple[str, ...]], resamples: int, seed: int
) -> Rates:
    """Return precision, recall and F1 by lemma over the rows that people tagged."""
    judged = [
        Judged(row.recording, "", own, labels)
        for row, own in zip(rows, tags, strict=True)
        if (labels := tuple(label for label in row.labels if not denies(label)))
    ]
    labels = sorted({label for row in judged for label in row.labels})
    by_lemma = matchers(labels, (), None)[-1]
    counts = judge(judged, by_lemma).counts
    _, recordings = np.unique([row.recording for row in judged], return_inverse=True)
    return rates(grouped(counts, recordings), np.random.default_rng(seed), resamples)


def _grounded(tags: Sequence[str], text: str) -> int:
    """Return how many tags stand in the caption, each of their words by its lemma."""
    words = frozenset[str]().union(*(lemmas_of((word,)) for word in words_of(text)))
    return sum(lemmas_of(words_of(tag)) <= words for tag in tags)


def _jaccard(left: Sequence[str], right: Sequence[str]) -> float:
    """Return the Jaccard index of two tag lists by lemma: 1 where both are empty."""
    mine, theirs = ({lemmas_of(words_of(tag)) for tag in tags} for tags in (left, right))
    union = mine | theirs
    return len(mine & theirs) / len(union) if union else 1.0
