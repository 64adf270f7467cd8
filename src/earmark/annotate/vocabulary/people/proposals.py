"""Tags that may mean the same, for people to accept or reject: proposed, never merged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float32

from earmark.annotate.sentence_encoder import TEMPLATE, Meaning
from earmark.annotate.vocabulary.decisions import Decisions, Proposal
from earmark.annotate.vocabulary.people.proposals_file import write_proposals
from earmark.annotate.vocabulary.proposals import are_family, may_be_same, remainders

__all__ = ["FAMILY_SIMILARITY", "SIMILARITY", "propose", "write_proposals"]

SIMILARITY = 0.82
"""Two names that are at least so similar are proposed. Of 318 proposals among 2,468 names from real
captions (AudioCaps, Clotho, MusicCaps, WavCaps), 50 drawn by chance were read: 40 were right."""

FAMILY_SIMILARITY = 0.72
"""Two words of one stem ("reverb", "reverberation") are proposed from here on."""

_BLOCK = 512  # rows of the matrix product that are held at a time
_DECIMALS = 3


def propose(
    frequencies: Mapping[str, int],
    meaning: Meaning,
    decisions: Decisions,
    *,
    normalise: Callable[[str], str] = str.strip,
    similarity: float = SIMILARITY,
    family_similarity: float = FAMILY_SIMILARITY,
) -> tuple[Proposal, ...]:
    """Propose merges among the tags of a vocabulary, the most similar first, then by name.

    A tag is proposed at most once: into the more frequent tag that it is most similar to. Left out
    are opposites and siblings of `antonyms.toml`, a name that narrows the other ("acoustic guitar"
    and "guitar"), and what people decided before. Similarity is the mean of two cosines, of the
    names alone and of "the sound of" them, from -1 to 1; of names that share words it is at most
    that of what they do not share.

    Args:
        frequencies: in how many captions each tag is.
        meaning: turns names into vectors.
        decisions: pairs that people rejected, and tags that they merged or banned, are left out.
        normalise: how a name that a person wrote is spelled among the tags.
        similarity: the least similarity of a proposal.
        family_similarity: the least similarity of two words of one stem.

    Raises:
        ConfigError: two decisions contradict each other once their names are normalised.
    """
    verdicts = decisions.settled(normalise)
    done = {*verdicts.moved, *verdicts.ban}
    rejected = {frozenset(map(normalise, pair)) for pair in decisions.rejected}
    tags = sorted(tag for tag in frequencies if tag not in done)
    found: dict[str, tuple[float, str]] = {}
    for one, other, cosine in _alike(tags, meaning, similarity, family_similarity):
        if frozenset((one, other)) in rejected:
            continue
        into, tag = sorted((one, other), key=lambda name: (-frequencies[name], name))
        best = found.get(tag)
        if tag not in verdicts.keep and (best is None or (-cosine, into) < (-best[0], best[1])):
            found[tag] = cosine, into
    proposals = [
        Proposal(
            tag=tag,
            into=into,
            similarity=cosine,
            tag_df=frequencies[tag],
            into_df=frequencies[into],
        )
        for tag, (cosine, into) in found.items()
    ]
    return tuple(sorted(proposals, key=lambda proposal: (-proposal.similarity, proposal.tag)))


def _alike(
    tags: Sequence[str], meaning: Meaning, similarity: float, family_similarity: float
) -> Iterator[tuple[str, str, float]]:
    """Yield pairs of tags that are similar enough, in the order of `tags`."""
    pairs = [
        (one, other, cosine)
        for one, other, cosine in _near(tags, meaning, min(similarity, family_similarity))
        if (cosine >= similarity or are_family(one, other)) and may_be_same(one, other)
    ]
    rests = {(one, other): remainders(one, other) for one, other, _ in pairs}
    names = sorted({rest for pair in rests.values() for rest in pair})
    place = {name: row for row, name in enumerate(names)}
    vectors = _embed(names, meaning)
    for one, other, cosine in pairs:
        left, right = rests[one, other]
        of_rest = float(vectors[place[left]] @ vectors[place[right]])
        least = round(min(cosine, of_rest), _DECIMALS)
        if least >= similarity or (are_family(left, right) and least >= family_similarity):
            yield one, other, least


def _near(tags: Sequence[str], meaning: Meaning, least: float) -> Iterator[tuple[str, str, float]]:
    """Yield every pair whose similarity is at least `least`."""
    vectors = _embed(tags, meaning)
    for start in range(0, len(tags), _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ vectors[start:].T
        rows, columns = np.nonzero(np.triu(cosines, 1) >= least)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            yield tags[start + row], tags[start + column], float(cosines[row, column])


def _embed(names: Sequence[str], meaning: Meaning) -> Float32[np.ndarray, "names dim"]:
    """Return vectors whose product is the mean of two cosines: of a name, and of its sound."""
    words = [name.replace("-", " ") for name in names]
    alone, heard = meaning.embed(words), meaning.embed([TEMPLATE.format(name) for name in words])
    return np.concatenate([alone, heard], axis=1) / np.float32(np.sqrt(2))
