"""Compare two taggers on the same captions, with each other and with people's tags.

The paper (section 3.1) argues that a language model's tags are better than those picked by part
of speech; here both are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from earmark.annotate.audit.counts import Labelled, judge
from earmark.annotate.audit.matching import lemmas_of, matchers, words_of
from earmark.annotate.audit.results import ParserScore
from earmark.bootstrap import Rates, grouped, rates


class Sampled(NamedTuple):
    """A caption that both taggers were given; `recording` names the row it is of."""

    id: str
    recording: str
    text: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class _Study:
    """What the scores of both taggers share; `captions` were given, and `read` by both."""

    source: str
    captions: int
    read: Sequence[Sampled]
    same: Sequence[float]
    resamples: int
    seed: int


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
    """Return a score for each of two taggers, over the captions that both read.

    Args:
        source: what the captions are of.
        rows: the captions that both were given.
        taggers: by tagger, the tags of each caption; a caption that is not there was unreadable.
        resamples: bootstrap draws behind each interval.
        seed: equal seeds give equal intervals.
    """
    read = [row for row in rows if all(row.id in own for own in taggers.values())]
    tags = {name: [own[row.id] for row in read] for name, own in taggers.items()}
    same = [_jaccard(first, second) for first, second in zip(*tags.values(), strict=True)]
    study = _Study(source, len(rows), read, same, resamples, seed)
    return [
        _score(study, name, tags[name], unreadable=sum(row.id not in own for row in rows))
        for name, own in taggers.items()
    ]


def _score(
    study: _Study, name: str, tags: Sequence[tuple[str, ...]], *, unreadable: int
) -> ParserScore:
    uses = sum(map(len, tags))
    grounded = sum(_grounded(each, row.text) for each, row in zip(tags, study.read, strict=True))
    found = _against_people(study, tags)
    return ParserScore(
        source=study.source,
        tagger=name,
        captions=study.captions,
        unreadable=unreadable,
        tags_mean=uses / len(tags) if tags else float("nan"),
        distinct=len({tag for each in tags for tag in each}),
        grounded=grounded / uses if uses else float("nan"),
        same=float(np.mean(study.same)) if study.same else float("nan"),
        precision=found.precision.value,
        recall=found.recall.value,
        f1=found.f1.value,
        f1_low=found.f1.low,
        f1_high=found.f1.high,
    )


def _against_people(study: _Study, tags: Sequence[tuple[str, ...]]) -> Rates:
    """Return precision, recall and F1 by lemma over the rows that people tagged."""
    judged = Labelled()
    for row, own in zip(study.read, tags, strict=True):
        judged.append(row.recording, "", own, row.labels)
    by_lemma = matchers(list(judged.labels.names), (), None)[-1]
    counts = grouped(judge(judged, by_lemma).counts, judged.recordings)
    return rates(counts, np.random.default_rng(study.seed), study.resamples)


def _grounded(tags: Sequence[str], text: str) -> int:
    """Return how many tags stand in the caption, each of their words by its lemma."""
    words = frozenset[str]().union(*(lemmas_of((word,)) for word in words_of(text)))
    return sum(lemmas_of(words_of(tag)) <= words for tag in tags)


def _jaccard(left: Sequence[str], right: Sequence[str]) -> float:
    """Return the Jaccard index of two tag lists by lemma: 1 where both are empty."""
    mine, theirs = ({lemmas_of(words_of(tag)) for tag in tags} for tags in (left, right))
    union = mine | theirs
    return len(mine & theirs) / len(union) if union else 1.0
