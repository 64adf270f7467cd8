"""The vocabulary section: how it was made, what it covers, its tags, and those of each domain.

A domain of the true labels is described by tags that are frequent there and rare elsewhere.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from earmark.annotate.tag import PARSE_REPORT_FILE, ParseReport, read_parse_report
from earmark.annotate.vocabulary import DOMAINS, Vocabulary, VocabularyEntry
from earmark.annotate.vocabulary.config import PAPER_SIZES
from earmark.annotate.vocabulary.stats import STATS_FILE, CurvePoint, VocabularyStats
from earmark.records import Example
from earmark.report.run import RunData

TAGS_PER_DOMAIN = 8

MIN_CLIPS = 3


@dataclass(frozen=True)
class DomainTag:
    """A tag that sets a domain apart: its share of clips there and in the rest of the corpus."""

    tag: str
    inside: float
    outside: float


@dataclass(frozen=True)
class LabeledDomain:
    """A domain of the true labels, its clips and its most telling tags."""

    name: str
    clips: int
    tags: tuple[DomainTag, ...]


def distinctive_tags(examples: Sequence[Example]) -> tuple[LabeledDomain, ...]:
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
        _labeled_domain(name, members, everywhere, len(examples))
        for name, members in sorted(by_domain.items())
    )


def _labeled_domain(
    name: str, members: Sequence[Example], everywhere: Counter[str], clips: int
) -> LabeledDomain:
    counts = Counter(tag for example in members for tag in set(example.tags))

    def divergence(tag: str) -> float:
        share = counts[tag] / len(members)
        return share * math.log(share / (everywhere[tag] / clips))

    frequent = [tag for tag, count in counts.items() if count >= MIN_CLIPS]
    best = sorted(frequent, key=lambda tag: (-divergence(tag), tag))[:TAGS_PER_DOMAIN]
    others = max(clips - len(members), 1)
    telling = [
        DomainTag(tag, counts[tag] / len(members), (everywhere[tag] - counts[tag]) / others)
        for tag in best
        if divergence(tag) > 0
    ]
    return LabeledDomain(name, len(members), tuple(telling))


TABLE_SIZES = (10, 30, 100, 300, *PAPER_SIZES)

MAX_SIZE_RATIO = 1.1
"""A point of the curve stands for a size that it misses by at most this factor."""

MAX_LISTED = 3000

MAX_ALIASES = 6


@dataclass(frozen=True)
class DomainShare:
    """What a domain has of all captions, of the vocabulary, and of its uses; shares from 0 to 1.

    A caption may be of several domains, so that the shares of captions may add up to more than 1.
    """

    name: str
    captions: float
    tags: float
    uses: float


@dataclass(frozen=True)
class ListedTag:
    """A tag in the list: `aliases` are its most frequent variants, `more` how many others."""

    entry: VocabularyEntry
    aliases: tuple[str, ...]
    more: int


@dataclass(frozen=True)
class VocabularySection:
    """Everything the vocabulary section shows.

    `facts` is None where the vocabulary was not chosen here, or by a version that kept none;
    `domains` is None until there is a manifest, whose clips have the true domains. `parse` says
    how well the tagger's answers could be read.
    """

    vocabulary: Vocabulary
    facts: VocabularyStats | None
    domains: tuple[LabeledDomain, ...] | None
    parse: ParseReport | None

    @property
    def size(self) -> int:
        """Return the number of tags in the vocabulary."""
        return len(self.vocabulary)

    @cached_property
    def frequencies(self) -> tuple[int, ...]:
        """Return in how many captions the vocabulary's tags are, falling; none where unknown."""
        counts = (entry.df for entry in self.vocabulary.entries if entry.df)
        return tuple(sorted(counts, reverse=True))

    @cached_property
    def listed(self) -> tuple[ListedTag, ...]:
        """Return the tags that the page lists."""
        return tuple(list_tag(entry) for entry in self.vocabulary.entries[:MAX_LISTED])

    @cached_property
    def shares(self) -> tuple[DomainShare, ...]:
        """Return what each domain has; nothing where it was not counted."""
        return domain_shares(self.facts) if self.facts else ()

    @cached_property
    def own_point(self) -> CurvePoint | None:
        """Return the point of the growth curve that stands for the vocabulary itself."""
        return nearest_point(self.facts.curve, self.size) if self.facts else None

    @cached_property
    def growth(self) -> tuple[CurvePoint, ...]:
        """Return the points of the growth curve that the page tables, the last included."""
        return table_points(self.facts.curve, self.size) if self.facts else ()


def read_vocabulary(found: RunData) -> VocabularySection | None:
    """Return the facts of the vocabulary stage, or None where it has not finished."""
    path = found.file("vocabulary", "vocabulary.json")
    if path is None:
        return None
    report = found.file("tag", PARSE_REPORT_FILE)
    facts = found.file("vocabulary", STATS_FILE)
    examples = found.rows("manifest", "manifest.parquet", Example)
    return VocabularySection(
        vocabulary=Vocabulary.load(path),
        facts=VocabularyStats.load(facts.parent) if facts else None,
        domains=distinctive_tags(examples) if examples else None,
        parse=read_parse_report(report.parent) if report else None,
    )


def list_tag(entry: VocabularyEntry) -> ListedTag:
    """Return an entry with its variants: the most frequent first."""
    ordered = sorted(entry.aliases, key=lambda alias: (-entry.aliases[alias], alias))
    return ListedTag(entry, tuple(ordered[:MAX_ALIASES]), max(len(ordered) - MAX_ALIASES, 0))


def domain_shares(facts: VocabularyStats) -> tuple[DomainShare, ...]:
    """Return what each domain has of captions, tags and uses."""
    tags, uses = sum(facts.tags_by_domain.values()), sum(facts.uses_by_domain.values())
    return tuple(
        DomainShare(
            name,
            _share(facts.captions_by_domain, name, facts.captions),
            _share(facts.tags_by_domain, name, tags),
            _share(facts.uses_by_domain, name, uses),
        )
        for name in DOMAINS
    )


def nearest_point(curve: Sequence[CurvePoint], size: int) -> CurvePoint | None:
    """Return the curve's point nearest to `size`, or None where none is near."""
    best = min(curve, key=lambda point: _log_distance(point, size), default=None)
    return best if best and _log_distance(best, size) <= math.log(MAX_SIZE_RATIO) else None


def table_points(curve: Sequence[CurvePoint], size: int) -> tuple[CurvePoint, ...]:
    """Return the curve's points at round sizes, at the paper's, at `size` and at its end."""
    found = [nearest_point(curve, wanted) for wanted in (*TABLE_SIZES, size)]
    points = {point.size: point for point in [*found, *curve[-1:]] if point}
    return tuple(points[at] for at in sorted(points))


def _log_distance(point: CurvePoint, size: int) -> float:
    return abs(math.log(point.size / size))


def _share(counts: Mapping[str, int], name: str, whole: int) -> float:
    return counts.get(name, 0) / max(whole, 1)
