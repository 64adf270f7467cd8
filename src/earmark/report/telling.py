"""What sets a domain of the true labels apart: tags that are frequent there and rare elsewhere."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from earmark.records import Example

TAGS_A_DOMAIN = 8
FEWEST_CLIPS = 3


@dataclass(frozen=True)
class DomainTag:
    """A tag that sets a domain apart: its share of clips there and in the rest of the corpus."""

    tag: str
    inside: float
    outside: float


@dataclass(frozen=True)
class LabelledDomain:
    """A domain of the true labels, its clips and its most telling tags."""

    name: str
    clips: int
    tags: tuple[DomainTag, ...]


def telling_tags(examples: Sequence[Example]) -> tuple[LabelledDomain, ...]:
    """Return each domain's most telling tags, by their part of the divergence from the corpus.

    That is p(tag | domain) * ln(p(tag | domain) / p(tag)), which asks of a tag both that it is
    frequent in the domain and that it is rare elsewhere. A tag counts from three clips on.
    """
    by_domain = dict[str, list[Example]]()
    for example in examples:
        for domain in example.labels.get("domain", ()):
            by_domain.setdefault(domain, []).append(example)
    everywhere = Counter(tag for example in examples for tag in set(example.tags))
    return tuple(
        _domain(name, members, everywhere, len(examples))
        for name, members in sorted(by_domain.items())
    )


def _domain(
    name: str, members: Sequence[Example], everywhere: Counter[str], clips: int
) -> LabelledDomain:
    counts = Counter(tag for example in members for tag in set(example.tags))

    def divergence(tag: str) -> float:
        share = counts[tag] / len(members)
        return share * math.log(share / (everywhere[tag] / clips))

    frequent = [tag for tag, count in counts.items() if count >= FEWEST_CLIPS]
    best = sorted(frequent, key=lambda tag: (-divergence(tag), tag))[:TAGS_A_DOMAIN]
    others = max(clips - len(members), 1)
    telling = [
        DomainTag(tag, counts[tag] / len(members), (everywhere[tag] - counts[tag]) / others)
        for tag in best
        if divergence(tag) > 0
    ]
    return LabelledDomain(name, len(members), tuple(telling))
