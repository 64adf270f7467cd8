"""Compare two taggers on the same captions, with each other and with people's tags.

The paper (section 3.1) argues that a language model's tags are better than those picked by part
of speech; here both are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from earmark.annotate.audit.counts import LabeledRows, match_rows
from earmark.annotate.audit.matching import build_matchers, split_words, word_lemmas
from earmark.annotate.audit.results import TaggerScore
from earmark.bootstrap import Rates, bootstrap_rates, sum_by_recording


class SampledCaption(NamedTuple):
    """A caption that both taggers were given; `recording` names the row it is of."""

    id: str
    recording: str
    text: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class _Comparison:
    """What the scores of both taggers share; `captions` were given, and `read` by both."""

    source: str
    captions: int
    read: Sequence[SampledCaption]
    same: Sequence[float]
    resamples: int
    seed: int


def sample_captions(
    rows: Sequence[SampledCaption], size: int, rng: np.random.Generator
) -> list[SampledCaption]:
    """Return `size` of the rows, or all, in their order."""
    chosen = rng.permutation(len(rows))[:size]
    return [rows[index] for index in sorted(chosen.tolist())]


def compare_taggers(
    source: str,
    rows: Sequence[SampledCaption],
    taggers: Mapping[str, Mapping[str, tuple[str, ...]]],
    *,
    resamples: int,
    seed: int,
) -> list[TaggerScore]:
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
    study = _Comparison(source, len(rows), read, same, resamples, seed)
    return [
        _score(study, name, tags[name], unreadable=sum(row.id not in own for row in rows))
        for name, own in taggers.items()
    ]


def _score(
    study: _Comparison, name: str, tags: Sequence[tuple[str, ...]], *, unreadable: int
) -> TaggerScore:
    uses = sum(map(len, tags))
    grounded = sum(
        _count_grounded(each, row.text) for each, row in zip(tags, study.read, strict=True)
    )
    found = _label_rates(study, tags)
    return TaggerScore(
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


def _label_rates(study: _Comparison, tags: Sequence[tuple[str, ...]]) -> Rates:
    """Return precision, recall and F1 by lemma over the rows that people tagged."""
    judged = LabeledRows()
    for row, own in zip(study.read, tags, strict=True):
        judged.append(row.recording, "", own, row.labels)
    by_lemma = build_matchers(list(judged.labels.names), (), None)[-1]
    counts = sum_by_recording(match_rows(judged, by_lemma).counts, judged.recordings)
    return bootstrap_rates(counts, np.random.default_rng(study.seed), study.resamples)


def _count_grounded(tags: Sequence[str], text: str) -> int:
    """Return how many tags stand in the caption, each of their words by its lemma."""
    words = frozenset[str]().union(*(word_lemmas((word,)) for word in split_words(text)))
    return sum(word_lemmas(split_words(tag)) <= words for tag in tags)


def _jaccard(left: Sequence[str], right: Sequence[str]) -> float:
    """Return the Jaccard index of two tag lists by lemma: 1 where both are empty."""
    mine, theirs = ({word_lemmas(split_words(tag)) for tag in tags} for tags in (left, right))
    union = mine | theirs
    return len(mine & theirs) / len(union) if union else 1.0
