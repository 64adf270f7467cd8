"""The tags of a source at a glance: how long its tail is, how many a caption has, what doubles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float32

from earmark.annotate.vocabulary.config import DOMAINS, Domain

from .meaning import NEAR, Meaning, embed_names
from .names import lemmas_of, words_of
from .results import Shape

HEAD = 10
"""The most frequent tags whose share of all uses is told."""

LOW, HIGH = 5, 95
"""Percentiles of tags a caption."""

COMPARED = 5000
"""Captions, spread evenly, whose tags are compared by meaning; by lemma all are."""

Tags = tuple[str, ...]
SeedDomain = Callable[[str], Domain | Literal[""]]
"""The domain that a tag stands for, "" where it stands for none."""


def shape(
    source: str,
    tagger: str,
    tag_sets: Sequence[Tags],
    seed_domain: SeedDomain,
    meaning: Meaning | None,
) -> Shape:
    """Return the shape of a source's tags.

    Args:
        source: what the captions are of.
        tagger: the name of who tagged them.
        tag_sets: the tags of every caption; none where there are no tags.
        seed_domain: tells the domains of a caption by its tags.
        meaning: without one, tags double by lemma only.
    """
    uses = Counter(tag for tags in tag_sets for tag in set(tags))
    total = uses.total()
    sizes = np.array([len(set(tags)) for tags in tag_sets if tags], dtype=np.float64)
    low, high = np.percentile(sizes, [LOW, HIGH]).tolist() if len(sizes) else (0.0, 0.0)
    domains = _domains(tag_sets, uses, seed_domain)
    return Shape(
        source=source,
        tagger=tagger,
        captions=len(tag_sets),
        untagged=len(tag_sets) - len(sizes),
        distinct=len(uses),
        uses=total,
        tags_mean=float(sizes.mean()) if len(sizes) else 0.0,
        tags_low=low,
        tags_high=high,
        once=_share(sum(df == 1 for df in uses.values()), len(uses)),
        head=_share(sum(df for _, df in uses.most_common(HEAD)), total),
        redundant=_redundant(tag_sets, meaning),
        speech=domains["speech"],
        music=domains["music"],
        sound=domains["sound"],
    )


def _domains(
    tag_sets: Sequence[Tags], distinct: Iterable[str], seed_domain: SeedDomain
) -> dict[Domain, float]:
    """Return the share of captions of each domain; one may be of several, one without is sound."""
    seeds: dict[str, Domain] = {}
    for tag in distinct:
        if domain := seed_domain(tag):
            seeds[tag] = domain
    counts = Counter[Domain]()
    unseeded: set[Domain] = {"sound"}
    for tags in tag_sets:
        counts.update({seeds[tag] for tag in tags if tag in seeds} or unseeded)
    return {domain: _share(counts[domain], len(tag_sets)) for domain in DOMAINS}


def _redundant(tag_sets: Sequence[Tags], meaning: Meaning | None) -> float:
    """Return the share of uses beside which the caption holds a tag of the same sense."""
    kept = [tuple(dict.fromkeys(tags)) for tags in tag_sets if tags]
    vectors: dict[str, Float32[np.ndarray, " dim"]] = {}
    if meaning is not None:
        kept = kept[:: max(1, len(kept) // COMPARED)]
        distinct = sorted({tag for tags in kept for tag in tags})
        rows = embed_names([words_of(tag) for tag in distinct], meaning) if distinct else ()
        vectors = dict(zip(distinct, rows, strict=True))
    lemmas = {tag: lemmas_of(words_of(tag)) for tags in kept for tag in tags}
    doubled = sum(_doubled(tags, lemmas, vectors) for tags in kept)
    return _share(doubled, sum(len(tags) for tags in kept))


def _doubled(
    tags: Tags,
    lemmas: Mapping[str, frozenset[str]],
    vectors: Mapping[str, Float32[np.ndarray, " dim"]],
) -> int:
    """Return how many of a caption's tags have another of the same lemmas or meaning."""
    counts = Counter(lemmas[tag] for tag in tags)
    same = np.array([counts[lemmas[tag]] > 1 for tag in tags])
    if vectors:
        own = np.stack([vectors[tag] for tag in tags])
        same |= np.count_nonzero(own @ own.T >= NEAR, axis=1) > 1
    return int(same.sum())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
