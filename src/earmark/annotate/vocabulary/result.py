"""The result of a vocabulary build: the vocabulary, its sizes, and its statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64

from earmark.annotate.vocabulary.config import DOMAINS, PAPER_SIZES
from earmark.annotate.vocabulary.counting.corpus import TagCorpus
from earmark.annotate.vocabulary.counting.count import Tally
from earmark.annotate.vocabulary.normalize import Normalization
from earmark.annotate.vocabulary.select import Ranking
from earmark.annotate.vocabulary.size import curve_sizes, growth_curve
from earmark.annotate.vocabulary.stats import VocabularyStats
from earmark.annotate.vocabulary.vocabulary import Vocabulary


@dataclass(frozen=True)
class BuildResult:
    """What a build came to.

    Args:
        largest: a vocabulary of the largest size that was asked for; smaller ones begin it.
        size: of the vocabulary that a model is trained on.
        sizes: every size that is written.
        facts: how it came.
        rank: the rank in `largest`, from 0, of the tag that each term is counted as; -1 for none.
        lost: distinct tags as written that became no class, by reason.
    """

    largest: Vocabulary
    size: int
    sizes: tuple[int, ...]
    facts: VocabularyStats
    rank: Int32[np.ndarray, " terms"]
    lost: Mapping[str, int]


@dataclass(frozen=True)
class TagCounts:
    """A corpus as it was folded and counted.

    Args:
        corpus: the captions.
        folding: what became of each tag as written.
        tally: counts of the tags.
        ranking: those that qualify.
        rank: the rank of the tag that each term is counted as, among all that qualify, or -1.
    """

    corpus: TagCorpus
    folding: Normalization
    tally: Tally
    ranking: Ranking
    rank: Int32[np.ndarray, " terms"]

    @property
    def uses(self) -> int:
        """(caption, tag) pairs of all tags as they are counted."""
        return int(self.tally.df.sum())

    def account(self, size: int, sizes: Sequence[int], uses: int, why: str) -> VocabularyStats:
        """Return what there is to tell of a vocabulary of `size`, beside others of `sizes`.

        `uses` is what the curve's shares of uses are of.
        """
        corpus, df = self.corpus, self.ranking.df
        points = curve_sizes(len(df), (size, *sizes, *PAPER_SIZES))
        domains = np.array([DOMAINS.index(domain) for domain in self.ranking.domains[:size]])
        used = np.bincount(domains, weights=df[:size], minlength=len(DOMAINS)).astype(np.int64)
        return VocabularyStats(
            captions=corpus.captions,
            uses=int(corpus.frequencies.sum()),
            written=tuple(np.sort(corpus.frequencies)[::-1].tolist()),
            folded=tuple(np.sort(self.tally.df)[::-1].tolist()),
            changes=self.folding.changes,
            dropped=self._dropped(),
            unread=corpus.unread,
            captions_by_domain=_by_domain(self.tally.captions_by_domain),
            tags_by_domain=_by_domain(np.bincount(domains, minlength=len(DOMAINS))),
            uses_by_domain=_by_domain(used),
            curve=growth_curve(df, points, self._reached(points), corpus.captions, uses),
            chosen=why,
            unsupported=self.folding.unsupported,
        )

    def _dropped(self) -> dict[str, int]:
        """Return uses of what is no tag, by reason."""
        dropped = Counter(self.corpus.dropped)
        for written, reason in self.folding.dropped.items():
            dropped[reason] += self.corpus.as_written[written]
        return dict(dropped.most_common())

    def _reached(self, points: Sequence[int]) -> Int64[np.ndarray, " points"]:
        """Return how many captions hold a tag of each of these vocabularies.

        Which point of the curve a tag comes in with is all that is asked of its rank: few numbers
        are quicker to count than many.
        """
        entered = np.searchsorted(points, self.rank, side="right").astype(np.int32)
        entered[self.rank < 0] = -1
        return self.corpus.first_ranks(entered, len(points)).cumsum()


def _by_domain(counts: Int64[np.ndarray, " domains"]) -> dict[str, int]:
    return dict(zip(DOMAINS, counts.tolist(), strict=True))
