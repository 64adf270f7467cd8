"""A vocabulary chosen from a corpus: fold, count, rank, cut to size.

The score that the paper ranks by is in section 3.2 of arXiv 2603.25767; see `choosing.scores`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int32, Int64

from earmark.annotate.vocabulary.choosing.selection import Ranking, choose
from earmark.annotate.vocabulary.choosing.sizes import settle_size
from earmark.annotate.vocabulary.config import VocabularyConfig
from earmark.annotate.vocabulary.counting.corpus import TagCorpus
from earmark.annotate.vocabulary.decisions import Decisions, read_decisions
from earmark.annotate.vocabulary.domains import seeds_of
from earmark.annotate.vocabulary.folding import Folding, fold
from earmark.annotate.vocabulary.lockfile import (
    CountedSource,
    DecisionsInForce,
    Provenance,
    VocabularyEntry,
)
from earmark.annotate.vocabulary.result import Counted, Made
from earmark.annotate.vocabulary.vocabulary import Vocabulary
from earmark.config import fingerprint


def choose_vocabulary(corpus: TagCorpus, config: VocabularyConfig) -> Made:
    """Return the vocabulary that a corpus gives.

    Raises:
        ConfigError: a setting is out of range, or no tag is frequent enough.
    """
    decisions = read_decisions(Path(config.decisions)) if config.decisions else Decisions()
    folding = fold(corpus.as_written, config.steps, config.aliases, decisions)
    tags, group = _groups(corpus.terms, folding.target)
    tally = corpus.tally(group, seeds_of(tags))

    def together(chosen: Int64[np.ndarray, " tags"]) -> Int64[np.ndarray, "tags tags"]:
        return corpus.cooccurrence(_ranks(chosen, group, len(tags)), len(chosen))

    ranking = choose(tags, tally, config, folding.keep, together)
    counted = Counted(corpus, folding, tally, ranking, _ranks(ranking.order, group, len(tags)))
    size, why = settle_size(ranking.df, counted.uses, config, ranking.kept)
    sizes = tuple(sorted({size, *config.sizes}))
    largest = Vocabulary(
        _entries(corpus, tags, group, ranking, sizes[-1]),
        corpus.captions,
        config,
        decisions=DecisionsInForce.of(folding.verdicts),
        provenance=_provenance(corpus),
    )
    facts = counted.account(size, sizes, counted.uses, why)
    rank = _ranks(ranking.order[: sizes[-1]], group, len(tags))
    return Made(largest, size, sizes, facts, rank, _lost(folding, len(tags), len(ranking), size))


def _groups(
    terms: Sequence[str], target: Mapping[str, str]
) -> tuple[tuple[str, ...], Int32[np.ndarray, " terms"]]:
    """Return the tags that terms are counted as, sorted, and which of them each term is, or -1."""
    targets = [target[term] for term in terms]
    tags = tuple(sorted(set(targets) - {""}))
    place = {tag: position for position, tag in enumerate(tags)} | {"": -1}
    return tags, np.array([place[name] for name in targets], np.int32)


def _ranks(
    order: Int64[np.ndarray, " ranks"], group: Int32[np.ndarray, " terms"], tags: int
) -> Int32[np.ndarray, " terms"]:
    """Return the rank of each term, where the tags at `order` are ranked; -1 for the others."""
    of_tag = np.full(tags + 1, -1, np.int32)  # the last stands for terms that were dropped
    of_tag[order] = np.arange(len(order), dtype=np.int32)
    return of_tag[group]


def _entries(
    corpus: TagCorpus,
    tags: Sequence[str],
    group: Int32[np.ndarray, " terms"],
    ranking: Ranking,
    size: int,
) -> tuple[VocabularyEntry, ...]:
    rank = _ranks(ranking.order[:size], group, len(tags))
    aliases = defaultdict[int, dict[str, int]](dict)
    for term in np.flatnonzero(rank >= 0).tolist():
        written, counted = corpus.terms[term], tags[int(group[term])]
        if written != counted:
            aliases[int(rank[term])][written] = int(corpus.frequencies[term])
    names = [tags[int(place)] for place in ranking.order[:size].tolist()]
    return tuple(
        VocabularyEntry(
            rank=position + 1,
            tag=name,
            df=int(ranking.df[position]),
            score=float(ranking.scores[position]),
            domain=ranking.domains[position],
            aliases=aliases.get(position, {}),
        )
        for position, name in enumerate(names)
    )


def _provenance(corpus: TagCorpus) -> Provenance:
    sources = tuple(
        CountedSource(name=Path(part.part.facts.source).name, rows=part.captions)
        for part in corpus.parts
    )
    return Provenance(sources=sources, counts=fingerprint(corpus.as_written))


def _lost(folding: Folding, tags: int, qualify: int, size: int) -> dict[str, int]:
    """Return how many tags as written became no class of their own, by reason."""
    lost = Counter(f"vocabulary: {reason}" for reason in folding.dropped.values())
    lost["vocabulary: a variant of another"] = len(folding.target) - lost.total() - tags
    lost["vocabulary: too rare"] = tags - qualify
    lost["vocabulary: beyond size"] = qualify - size
    return {reason: count for reason, count in lost.items() if count}
