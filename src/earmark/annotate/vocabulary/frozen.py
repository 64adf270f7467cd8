"""A vocabulary taken as it is: nothing is chosen, no class id moves."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from earmark.annotate.vocabulary.choosing.selection import Ranking
from earmark.annotate.vocabulary.config import Domain, VocabularyConfig
from earmark.annotate.vocabulary.counting.corpus import TagCorpus
from earmark.annotate.vocabulary.domains import seeds_of
from earmark.annotate.vocabulary.folding import Folding
from earmark.annotate.vocabulary.locking.opening import open_vocabulary
from earmark.annotate.vocabulary.result import Counted, Made
from earmark.annotate.vocabulary.vocabulary import Vocabulary
from earmark.config import ConfigError

UNKNOWN = "not in the frozen vocabulary"


def open_frozen(config: VocabularyConfig) -> Vocabulary:
    """Return the vocabulary that `config.frozen` names.

    Raises:
        ConfigError: it cannot be read, or has not as many tags as a size asks for.
    """
    largest = open_vocabulary(Path(config.frozen), config)
    if beyond := [size for size in config.sizes if size > len(largest)]:
        raise ConfigError(
            f"vocabulary.sizes = {list(config.sizes)} asks for {beyond[0]} tags, but "
            f"{config.frozen} has {len(largest)}"
        )
    return largest


def take_vocabulary(corpus: TagCorpus, config: VocabularyConfig) -> Made:
    """Return the vocabulary that `config.frozen` names, counted over another corpus.

    Of the other settings only `sizes` count, which cut it, and for a list of labels those that
    say how variants are found.

    Raises:
        ConfigError: as `open_frozen`, or no caption holds any of its tags.
    """
    largest = open_frozen(config)
    ids = [largest.class_of(term) for term in corpus.terms]
    rank = np.array([-1 if place is None else place for place in ids], np.int32)
    tally = corpus.tally(rank, seeds_of(largest.tags))
    if not tally.df.any():
        raise ConfigError(
            f"vocabulary: no caption holds a tag of {config.frozen} (its first: "
            f"{', '.join(largest.tags[:5])}). Is it the vocabulary of other captions?"
        )
    names: list[Domain] = [entry.domain or "sound" for entry in largest.entries]
    order = np.arange(len(largest))
    ranking = Ranking(order, tally.df, np.zeros(len(order)), tuple(names), 0)
    unknown = [corpus.terms[place] for place in np.flatnonzero(rank < 0).tolist()]
    folding = Folding(dict.fromkeys(corpus.terms, ""), dict.fromkeys(unknown, UNKNOWN), (), ())
    uses = int(corpus.frequencies.sum())
    missed = int(corpus.frequencies[rank < 0].sum()) / max(uses, 1)
    why = (
        f"{len(largest)}: taken as it is from {Path(config.frozen).name}; "
        f"{int((tally.df == 0).sum())} of its tags are in no caption here, and {missed:.1%} of "
        "tag uses are not in it"
    )
    sizes = tuple(sorted({len(largest), *config.sizes}))
    counted = Counted(corpus, folding, tally, ranking, rank)
    variants = len(corpus.terms) - len(unknown) - int((tally.df > 0).sum())
    lost = {f"vocabulary: {UNKNOWN}": len(unknown), "vocabulary: a variant of another": variants}
    return Made(
        largest,
        len(largest),
        sizes,
        counted.account(len(largest), sizes, uses, why),
        rank,
        {reason: count for reason, count in lost.items() if count},
    )
