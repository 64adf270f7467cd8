"""Tags held against people's labels of the same clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int64

from .intervals import Rates, grouped, rates
from .match import Matcher
from .results import Agreement, Match

LEAST_CLIPS = 5
"""A label that fewer clips carry gets no row of its own: its interval would say nothing."""


class Judged(NamedTuple):
    """A clip or caption with its tags and with what people labelled it.

    Rows of one `recording` are drawn together: they are not independent. `domain` is "" where it
    is not known.
    """

    recording: str
    domain: str
    tags: tuple[str, ...]
    labels: tuple[str, ...]


class Table(NamedTuple):
    """What one matcher makes of the rows.

    `counts` has for each row what `rates` counts; `mentions` has (row, class, named, right,
    labelled, found) for each class that a row has or is said to have.
    """

    counts: Int64[np.ndarray, "rows 4"]
    mentions: Int64[np.ndarray, "mentions 6"]


class _Group(NamedTuple):
    """Counts by recording of one row of the result; `blank` recordings have only zeros."""

    kind: Literal["all", "domain", "label"]
    name: str
    clips: int
    counts: Int64[np.ndarray, "recordings 4"]
    blank: int = 0


def agreement(
    source: str,
    field: str,
    rows: Sequence[Judged],
    made: Sequence[Matcher],
    *,
    resamples: int,
    seed: int,
) -> Iterator[Agreement]:
    """Yield the agreement overall, by domain and by label, for each match.

    Args:
        source: what the rows are of.
        field: which label field.
        rows: only such as have a label.
        made: a matcher over all labels of `rows` for each match.
        resamples: bootstrap draws behind each interval.
        seed: equal seeds give equal intervals, whatever the order of `rows`.
    """
    recordings = np.unique([row.recording for row in rows], return_inverse=True)[1]
    for matcher in made:
        table = judge(rows, matcher)
        groups = _overall(rows, table, recordings)
        groups += _by_label(table, recordings, matcher.classes.names)
        for group in groups:
            rng = np.random.default_rng((seed, *group.name.encode()))
            found = rates(group.counts, rng, resamples, blank=group.blank)
            yield _row(source, field, matcher.match, group, found)


def _row(source: str, field: str, match: Match, group: _Group, found: Rates) -> Agreement:
    named, _, labels, _ = group.counts.sum(axis=0).tolist()
    return Agreement(
        source=source,
        field=field,
        match=match,
        kind=group.kind,
        group=group.name,
        clips=group.clips,
        labels=labels,
        tags=named,
        precision=found.precision.value,
        precision_low=found.precision.low,
        precision_high=found.precision.high,
        recall=found.recall.value,
        recall_low=found.recall.low,
        recall_high=found.recall.high,
        f1=found.f1.value,
        f1_low=found.f1.low,
        f1_high=found.f1.high,
    )


def judge(rows: Sequence[Judged], matcher: Matcher) -> Table:
    """Count what the tags of each row name, and what of it is right."""
    position = {name: index for index, name in enumerate(matcher.classes.names)}
    counts = np.zeros((len(rows), 4), dtype=np.int64)
    mentions: list[tuple[int, ...]] = []
    for index, row in enumerate(rows):
        labels = frozenset(position[label] for label in row.labels)
        named = matcher.named(row.tags)
        right = named & matcher.right(labels)
        found = named & labels
        counts[index] = len(named), len(right), len(labels), len(found)
        mentions += [
            (index, c, c in named, c in right, c in labels, c in found)
            for c in sorted(named | labels)
        ]
    return Table(counts, np.array(mentions, dtype=np.int64).reshape(-1, 6))


def _overall(
    rows: Sequence[Judged], table: Table, recordings: Int64[np.ndarray, " rows"]
) -> list[_Group]:
    groups = [_Group("all", "all", len(rows), grouped(table.counts, recordings))]
    domains = np.array([row.domain for row in rows])
    for domain in sorted(set(domains.tolist()) - {""}):
        chosen = domains == domain
        counts = grouped(table.counts[chosen], recordings[chosen])
        groups.append(_Group("domain", domain, int(chosen.sum()), counts))
    return groups


def _by_label(
    table: Table, recordings: Int64[np.ndarray, " rows"], names: Sequence[str]
) -> list[_Group]:
    """Return a group for each label that enough rows carry."""
    by_class: defaultdict[int, list[Int64[np.ndarray, " 6"]]] = defaultdict(list)
    for mention in table.mentions:
        by_class[int(mention[1])].append(mention)
    total = len(np.unique(recordings))
    groups: list[_Group] = []
    for position in sorted(by_class, key=lambda c: names[c]):
        mentions = np.stack(by_class[position])
        clips = int(mentions[:, 4].sum())
        if clips < LEAST_CLIPS:
            continue
        touched = grouped(mentions[:, 2:], recordings[mentions[:, 0]])
        blank = total - len(touched)
        groups.append(_Group("label", names[position], clips, touched, blank))
    return groups
