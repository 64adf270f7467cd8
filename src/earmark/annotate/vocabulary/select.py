"""Rank the tags of a corpus: the best are the classes, and the ranking can be cut at any size."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int8, Int64

from earmark.annotate.vocabulary.config import DOMAINS, Domain, VocabularyConfig, exact_share
from earmark.annotate.vocabulary.counting.count import Tally
from earmark.annotate.vocabulary.domains import NO_SEED, seed_indices, tag_domain_ids
from earmark.annotate.vocabulary.scores import (
    Cooccurrence,
    balanced_scores,
    information_scores,
    paper_scores,
)
from earmark.config import ConfigError


@dataclass(frozen=True)
class Ranking:
    """The tags that qualify, best first; each field is in that order.

    Args:
        order: positions among the tags that were counted.
        df: in how many captions each is.
        scores: by the recipe's score.
        domains: what each is heard in more than elsewhere.
        kept: so many at the beginning are there because people said so.
    """

    order: Int64[np.ndarray, " ranks"]
    df: Int64[np.ndarray, " ranks"]
    scores: Float64[np.ndarray, " ranks"]
    domains: tuple[Domain, ...]
    kept: int

    def __len__(self) -> int:
        return len(self.order)


def rank_tags(
    tags: Sequence[str],
    tally: Tally,
    config: VocabularyConfig,
    keep: Collection[str] = (),
    cooccurrence: Cooccurrence | None = None,
) -> Ranking:
    """Rank the tags that at least `config.least_df` captions hold, and those in `keep`.

    Kept tags come first, then the others by falling score; equal scores go by the tag (those of
    "information" by df first, which ranks the tags that were too rare to be weighed). Where
    `config.min_share` asks for it, a domain that is below its share gets its best remaining tag: of
    the n best tags, at least floor(n * share) are of the domain as long as it has tags left (and
    once kept tags are made up for). Hence a smaller vocabulary is the beginning of a larger one.

    Args:
        tags: each once, in any order.
        tally: their counts.
        config: score, min_df and min_share.
        keep: tags that become classes however rare; those that no caption holds are passed over.
        cooccurrence: needed for score = "information", see `Cooccurrence`.

    Raises:
        ConfigError: no tag is frequent enough.
    """
    kept = np.fromiter((tag in keep for tag in tags), bool, len(tags)) & (tally.df > 0)
    qualifies = kept | (tally.df >= config.least_df)
    if not qualifies.any():
        raise ConfigError(
            f"vocabulary: none of {len(tags)} tags is in {_describe_min_df(config)} of "
            f"{tally.captions} captions. Give more clips or a lower "
            f"{_describe_min_df(config).partition(' ')[0]}."
        )
    by_tag = np.array(sorted(np.flatnonzero(qualifies).tolist(), key=tags.__getitem__), np.int64)
    scores = _scores(by_tag, tally, config, cooccurrence)
    ties = -tally.df[by_tag] if config.score == "information" else np.zeros(len(by_tag))
    best = np.lexsort((ties, -scores, ~kept[by_tag]))
    order, scores = by_tag[best], scores[best]
    domains = _tag_domains(tags, tally, order)
    if any(config.min_share.values()):
        again = _apply_min_share(domains, int(kept.sum()), config.min_share)
        order, scores, domains = order[again], scores[again], domains[again]
    named = tuple(DOMAINS[domain] for domain in domains.tolist())
    return Ranking(order, tally.df[order], scores, named, int(kept.sum()))


def _describe_min_df(config: VocabularyConfig) -> str:
    name = "min_df" if config.least_df == config.min_df else "auto.positives"
    return f"{name} = {config.least_df}"


def _scores(
    positions: Int64[np.ndarray, " ranks"],
    tally: Tally,
    config: VocabularyConfig,
    cooccurrence: Cooccurrence | None,
) -> Float64[np.ndarray, " ranks"]:
    """Return the score of the tags at `positions`, which are in the order of the alphabet."""
    df = tally.df[positions]
    if config.score == "frequency":
        return df.astype(np.float64)
    if config.score == "balanced":
        by_domain = tally.by_domain[positions]
        return balanced_scores(Tally(df, by_domain, tally.captions, tally.captions_by_domain))
    if config.score == "information":
        assert cooccurrence is not None, 'score "information" needs pairs of tags'
        return information_scores(
            df, tally.captions, lambda chosen: cooccurrence(positions[chosen])
        )
    return paper_scores(df, tally.captions)


def _tag_domains(
    tags: Sequence[str], tally: Tally, order: Int64[np.ndarray, " ranks"]
) -> Int8[np.ndarray, " ranks"]:
    """Return the domain of the tags at `order`; a seed is of its own, whatever it is heard with."""
    heard = tag_domain_ids(tally.by_domain[order], tally.captions_by_domain)
    positions: list[int] = order.tolist()
    seeds = seed_indices(tags[position] for position in positions)
    return np.where(seeds == NO_SEED, heard, seeds)


def _apply_min_share(
    domains: Int8[np.ndarray, " ranks"], kept: int, min_share: Mapping[Domain, float]
) -> Int64[np.ndarray, " ranks"]:
    """Return the ranking with least shares, as places in the ranking without, of these domains.

    A domain of share w is below it at rank n while it has fewer than w * n tags, and must
    have its k-th tag by rank ceil(k / w). Of several below, the one with the earliest such rank
    goes first: earliest deadline first, which meets every deadline that can be met.
    """
    shares = {
        DOMAINS.index(domain): exact_share(least)
        for domain, least in min_share.items()
        if least > 0
    }
    queues = _DomainQueues(domains)
    order = [queues.take_best() for _ in range(kept)]
    for rank in range(kept + 1, len(domains) + 1):
        below = [
            (-(-(count + 1) * share.denominator // share.numerator), domain)
            for domain, share in shares.items()
            if (count := queues.taken[domain]) * share.denominator < share.numerator * rank
            and queues.has_more(domain)
        ]
        order.append(queues.take_of(min(below)[1]) if below else queues.take_best())
    return np.array(order, dtype=np.int64)


class _DomainQueues:
    """The places of each domain in order, taken from the front."""

    def __init__(self, domains: Int8[np.ndarray, " ranks"]) -> None:
        self.taken = [0] * len(DOMAINS)
        self._domains = domains.tolist()
        self._places = [np.flatnonzero(domains == d).tolist() for d in range(len(DOMAINS))]
        self._free = [True] * len(domains)
        self._front = 0

    def has_more(self, domain: int) -> bool:
        return self.taken[domain] < len(self._places[domain])

    def take_of(self, domain: int) -> int:
        """Take the domain's best place that is left."""
        place = self._places[domain][self.taken[domain]]
        self.taken[domain] += 1
        self._free[place] = False
        return place

    def take_best(self) -> int:
        """Take the best place that is left, which is the best of its domain."""
        while not self._free[self._front]:
            self._front += 1
        return self.take_of(self._domains[self._front])
