"""Tags held against people's labels of the same clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int, Int64

from earmark.annotate.audit.counts import Table, judge
from earmark.annotate.audit.intervals import Rates, grouped, rates
from earmark.annotate.audit.labelled import Labelled
from earmark.annotate.audit.matching import Matcher
from earmark.annotate.audit.results import Agreement, Match

LEAST_CLIPS = 5
"""A label that fewer clips carry gets no row of its own: its interval would say nothing."""


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
    rows: Labelled,
    made: Sequence[Matcher],
    *,
    resamples: int,
    seed: int,
) -> Iterator[Agreement]:
    """Yield the agreement overall, by domain and by label, for each match.

    Args:
        source: what the rows are of.
        field: which label field.
        rows: what is judged.
        made: a matcher over all labels of `rows`, in their order, for each match.
        resamples: bootstrap draws behind each interval.
        seed: equal seeds give equal intervals, whatever the order of `rows`.
    """
    recordings = np.unique(rows.recordings, return_inverse=True)[1].astype(np.int32)
    for matcher in made:
        table = judge(rows, matcher)
        groups = (
            _overall(rows, table, recordings),
            _by_label(table, recordings, matcher.classes.names),
        )
        for group in chain(*groups):
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
        named=named,
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


def _overall(
    rows: Labelled, table: Table, recordings: Int[np.ndarray, " rows"]
) -> Iterator[_Group]:
    yield _Group("all", "all", len(rows), grouped(table.counts, recordings))
    numbers = {domain: number for number, domain in enumerate(rows.domain_names)}
    for domain, number in sorted(numbers.items()):
        if domain:
            chosen = rows.domains == number
            counts = grouped(table.counts[chosen], recordings[chosen])
            yield _Group("domain", domain, int(chosen.sum()), counts)


def _by_label(
    table: Table, recordings: Int[np.ndarray, " rows"], names: Sequence[str]
) -> Iterator[_Group]:
    """Yield a group for each label that enough rows carry, by name."""
    by_class = np.argsort(table.classes, kind="stable")
    ends = np.searchsorted(table.classes[by_class], np.arange(len(names) + 1))
    total = len(np.unique(recordings))
    for position in sorted(range(len(names)), key=lambda number: names[number]):
        own = by_class[ends[position] : ends[position + 1]]
        flags = table.flags[own].astype(np.int64)
        clips = int(flags[:, 2].sum())
        if clips >= LEAST_CLIPS:
            touched = grouped(flags, recordings[table.rows[own]])
            yield _Group("label", names[position], clips, touched, total - len(touched))
