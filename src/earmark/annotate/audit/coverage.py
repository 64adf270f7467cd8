"""How much of a label list a vocabulary can say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from earmark.annotate.audit.matching import matchers
from earmark.annotate.audit.results import ListCoverage
from earmark.annotate.sentence_encoder import Meaning


def coverage(
    name: str, classes: Sequence[str], tags: Sequence[str], meaning: Meaning | None
) -> Iterator[ListCoverage]:
    """Yield, for each match, how many of `classes` the tags name.

    By lemma, several tags may name a class together: a clip can hold "acoustic" and "guitar".

    Args:
        name: of the list.
        classes: its class names, each once.
        tags: the vocabulary's tags, and what is folded into them.
        meaning: without one there is no match by meaning.
    """
    for matcher in matchers(classes, tags, meaning):
        named = matcher.named(tags)
        yield ListCoverage(
            name=name,
            match=matcher.match,
            classes=len(classes),
            covered=len(named),
            missing=tuple(c for position, c in enumerate(classes) if position not in named),
        )
