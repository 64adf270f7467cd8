"""The vocabulary as the page shows it: how frequent its tags are, what they cover, and where."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from earmark.annotate.tag import PARSE_REPORT, ParseReport, read_parse_report
from earmark.annotate.vocabulary import Vocabulary, VocabularyEntry
from earmark.records import Example, TagSet

from .stages import Finished

TOP_TAGS = 50
TAGS_A_DOMAIN = 8
FEWEST_CLIPS = 3


@dataclass(frozen=True)
class DomainTag:
    """A tag that sets a domain apart: its share of clips there and in the rest of the corpus."""

    tag: str
    inside: float
    outside: float


@dataclass(frozen=True)
class Domain:
    """A domain of the true labels, its clips and its most telling tags."""

    name: str
    clips: int
    tags: tuple[DomainTag, ...]


@dataclass(frozen=True)
class Coverage:
    """What the first k tags of the vocabulary cover, for k = 1, 2, ...; shares from 0 to 1.

    `clips` is the share of tagged clips with at least one of them, `uses` the share of all tags
    as written.
    """

    clips: Float64[np.ndarray, " sizes"]
    uses: Float64[np.ndarray, " sizes"]
    tags_a_clip: float


@dataclass(frozen=True)
class TagFacts:
    """Everything the vocabulary section shows.

    `written` is the document frequency of every distinct tag as written, `chosen` that of the
    vocabulary's entries, both falling. `parse` says how well the tagger's answers could be read.
    """

    size: int
    clips: int
    written: Int64[np.ndarray, " tags"]
    chosen: Int64[np.ndarray, " entries"]
    top: tuple[VocabularyEntry, ...]
    coverage: Coverage | None
    domains: tuple[Domain, ...]
    parse: ParseReport | None


def read_tags(found: Finished) -> TagFacts | None:
    """Return the facts of the vocabulary stage, or None where it has not finished."""
    path = found.file("vocabulary", "vocabulary.json")
    if path is None:
        return None
    vocabulary = Vocabulary.load(path)
    report = found.file("tag", PARSE_REPORT)
    tag_sets = found.rows("tag", "tags.parquet", TagSet)
    examples = found.rows("manifest", "manifest.parquet", Example)
    frequency = Counter(tag for tag_set in tag_sets for tag in set(tag_set.tags))
    return TagFacts(
        size=len(vocabulary),
        clips=len(tag_sets),
        written=_falling(frequency.values()),
        chosen=_falling(entry.df for entry in vocabulary.entries),
        top=tuple(vocabulary.entries[:TOP_TAGS]),
        coverage=cover(examples, tag_sets, len(vocabulary)) if examples else None,
        domains=telling_tags(examples),
        parse=read_parse_report(report.parent) if report else None,
    )


def cover(examples: Sequence[Example], tag_sets: Sequence[TagSet], size: int) -> Coverage:
    """Return what growing vocabularies cover; tag ids are ranks from 0 on."""
    first = np.zeros(size)
    uses = np.zeros(size)
    for example in examples:
        if example.tag_ids:
            first[min(example.tag_ids)] += 1
        for tag_id in example.tag_ids:
            uses[tag_id] += 1
    written = sum(len(tag_set.tags) for tag_set in tag_sets)
    return Coverage(
        clips=np.cumsum(first) / max(len(tag_sets), 1),
        uses=np.cumsum(uses) / max(written, 1),
        tags_a_clip=float(uses.sum()) / len(examples),
    )


def telling_tags(examples: Sequence[Example]) -> tuple[Domain, ...]:
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


def _domain(name: str, members: Sequence[Example], everywhere: Counter[str], clips: int) -> Domain:
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
    return Domain(name, len(members), tuple(telling))


def _falling(counts: Iterable[int]) -> Int64[np.ndarray, " tags"]:
    return np.sort(np.fromiter(counts, dtype=np.int64))[::-1]
