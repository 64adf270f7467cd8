"""A corpus counted the plain way: what the rooms of the vocabulary are given in tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earmark.annotate.vocabulary.config import DOMAINS, VocabularyConfig
from earmark.annotate.vocabulary.counting.count import Tally
from earmark.annotate.vocabulary.domains import seed_index
from earmark.annotate.vocabulary.lockfile import VocabularyEntry
from earmark.annotate.vocabulary.select import Ranking, rank_tags
from earmark.annotate.vocabulary.vocabulary import Vocabulary

Corpus = Sequence[Sequence[str]]

CORPUS: Corpus = (
    ("speech", "man", "calm"),
    ("speech", "woman", "laughing"),
    ("music", "guitar", "hi-hat"),
    ("music", "piano", "calm"),
    ("rain", "thunder"),
    ("rain", "wind", "rain"),
    ('"quoted"', "café"),
)


def domains_of(caption: Sequence[str]) -> set[int]:
    found = {seed_index(tag) for tag in caption} - {-1}
    return found or {DOMAINS.index("sound")}


def count(corpus: Corpus) -> tuple[list[str], Tally]:
    """Return the tags of a corpus, sorted, and their counts."""
    tags = sorted({tag for caption in corpus for tag in caption})
    by_domain = np.zeros((len(tags), len(DOMAINS)), np.int64)
    captions_by_domain = np.zeros(len(DOMAINS), np.int64)
    df = np.array([sum(tag in caption for caption in corpus) for tag in tags], np.int64)
    for caption in corpus:
        for domain in domains_of(caption):
            captions_by_domain[domain] += 1
            for tag in set(caption):
                by_domain[tags.index(tag), domain] += 1
    return tags, Tally(df, by_domain, len(corpus), captions_by_domain)


def pairs(corpus: Corpus, tags: Sequence[str]) -> np.ndarray:
    """Return how many captions hold each two tags."""
    holds = np.array([[tag in caption for tag in tags] for caption in corpus], np.int64)
    return holds.T @ holds


def rank(corpus: Corpus, config: VocabularyConfig, keep: Sequence[str] = ()) -> Ranking:
    tags, tally = count(corpus)
    matrix = pairs(corpus, tags)
    return rank_tags(tags, tally, config, keep, lambda chosen: matrix[np.ix_(chosen, chosen)])


def ranked_tags(
    corpus: Corpus, config: VocabularyConfig | None = None, keep: Sequence[str] = ()
) -> list[str]:
    tags, _ = count(corpus)
    return [tags[place] for place in rank(corpus, config or VocabularyConfig(), keep).order]


def vocabulary_of(corpus: Corpus, config: VocabularyConfig | None = None) -> Vocabulary:
    """Return the vocabulary of tags that are counted as they are written."""
    settings = config or VocabularyConfig(normalize="none")
    tags, _ = count(corpus)
    ranking = rank(corpus, settings)
    rows = zip(ranking.order, ranking.df, ranking.scores, ranking.domains, strict=True)
    entries = tuple(
        VocabularyEntry(rank=i, tag=tags[place], df=int(df), score=float(score), domain=domain)
        for i, (place, df, score, domain) in enumerate(rows, start=1)
    )
    return Vocabulary(entries, len(corpus), settings)
