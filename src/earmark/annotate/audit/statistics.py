"""Statistics of a source's tags: how many, how long the tail, how many say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float32

from earmark.annotate.audit.matching import MIN_COSINE, embed_names, split_words, word_lemmas
from earmark.annotate.audit.results import TagStatistics
from earmark.annotate.sentence_encoder import TextEmbedder
from earmark.annotate.vocabulary.config import DOMAINS, Domain

HEAD_TAGS = 10
"""The most frequent tags whose share of all uses is told."""

LOW_PERCENTILE, HIGH_PERCENTILE = 5, 95
"""Percentiles of tags a caption."""

MIN_COMPARED = 5000
"""Captions, spread evenly, of which at least so many are compared by meaning, where there are."""

_UNSEEDED: frozenset[Domain] = frozenset({"sound"})

Tags = tuple[str, ...]
SeedDomain = Callable[[str], Domain | Literal[""]]
"""The domain that a tag stands for, "" where it stands for none."""


class TagStatisticsCounter:
    """Counts the tags of captions as they come; what it holds grows with distinct tags only.

    Args:
        seed_domain: tells the domains of a caption by its tags.
        meaning: without one, tags double by lemma only.
    """

    def __init__(self, seed_domain: SeedDomain, meaning: TextEmbedder | None) -> None:
        self._seed_domain = seed_domain
        self._meaning = meaning
        self._senses: dict[str, tuple[frozenset[str], Domain | Literal[""]]] = {}
        self._uses = Counter[str]()
        self._sizes = Counter[int]()
        self._domains = Counter[Domain]()
        self._doubled = 0
        self._sample: list[Tags] = []
        self._stride = 1

    def add(self, tags: Sequence[str]) -> None:
        """Count a caption's tags; there may be none."""
        own = tuple(dict.fromkeys(tags))
        senses = [self._sense(tag) for tag in own]
        domains: set[Domain] = {domain for _, domain in senses if domain}
        self._domains.update(domains or _UNSEEDED)
        self._sizes[len(own)] += 1
        self._uses.update(own)
        lemmas = [lemmas for lemmas, _ in senses]
        if len(set(lemmas)) < len(own):
            self._doubled += sum(lemmas.count(each) > 1 for each in lemmas)
        if self._meaning is not None and own:
            self._keep(own)

    @property
    def distinct(self) -> Collection[str]:
        """All tags that were counted, each once."""
        return self._uses.keys()

    def shape(self, source: str, tagger: str) -> TagStatistics:
        """Return the shape of all tags that were counted.

        Args:
            source: what the captions are of.
            tagger: the name of who tagged them.
        """
        captions, total = self._sizes.total(), self._uses.total()
        tagged = captions - self._sizes[0]
        low, high = self._percentiles()
        return TagStatistics(
            source=source,
            tagger=tagger,
            captions=captions,
            untagged=self._sizes[0],
            distinct=len(self._uses),
            uses=total,
            tags_mean=_share(total, tagged),
            tags_low=low,
            tags_high=high,
            once=_share(sum(df == 1 for df in self._uses.values()), len(self._uses)),
            head=_share(sum(df for _, df in self._uses.most_common(HEAD_TAGS)), total),
            redundant=self._redundant(),
            **{domain: _share(self._domains[domain], captions) for domain in DOMAINS},
        )

    def _sense(self, tag: str) -> tuple[frozenset[str], Domain | Literal[""]]:
        """Return a tag's lemmas and domain, found out once for each distinct tag."""
        known = self._senses.get(tag)
        if known is None:
            known = self._senses[tag] = word_lemmas(split_words(tag)), self._seed_domain(tag)
        return known

    def _keep(self, tags: Tags) -> None:
        """Keep every so many captions, so that never more than 2 * COMPARED are held."""
        position = self._sizes.total() - self._sizes[0] - 1
        if position % self._stride == 0:
            self._sample.append(tags)
        if len(self._sample) >= 2 * MIN_COMPARED:
            self._sample = self._sample[::2]
            self._stride *= 2

    def _percentiles(self) -> tuple[float, float]:
        """Return the low and high percentile of tags a caption, untagged ones left out."""
        sizes = sorted(size for size in self._sizes if size)
        if not sizes:
            return 0.0, 0.0
        every = np.repeat(np.array(sizes, np.int32), [self._sizes[size] for size in sizes])
        low, high = np.percentile(every, [LOW_PERCENTILE, HIGH_PERCENTILE]).tolist()
        return low, high

    def _redundant(self) -> float:
        """Return the share of uses beside which the caption holds a tag of the same sense."""
        if self._meaning is None or not self._sample:
            return _share(self._doubled, self._uses.total())
        distinct = sorted({tag for tags in self._sample for tag in tags})
        rows = embed_names([split_words(tag) for tag in distinct], self._meaning)
        vectors = dict(zip(distinct, rows, strict=True))
        doubled = sum(self._doubled_in(tags, vectors) for tags in self._sample)
        return _share(doubled, sum(map(len, self._sample)))

    def _doubled_in(self, tags: Tags, vectors: Mapping[str, Float32[np.ndarray, " dim"]]) -> int:
        """Return how many of a caption's tags have another of the same lemmas or meaning."""
        lemmas = [self._sense(tag)[0] for tag in tags]
        same = np.array([lemmas.count(each) > 1 for each in lemmas])
        own = np.stack([vectors[tag] for tag in tags])
        return int((same | (np.count_nonzero(own @ own.T >= MIN_COSINE, axis=1) > 1)).sum())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
