"""Tags beside people's labels as columns of numbers, and the agreement of the two.

A million clips take 100 MB. Sparse matrices say which classes the tags of each row name, and what
of it is right; sums by recording give precision, recall and F1 with bootstrap intervals, over all
rows, by domain and by label.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Int, Int64, UInt8, UInt64

from earmark.annotate.audit.matching import Matcher, is_negated, split_words, word_lemmas
from earmark.annotate.audit.results import Agreement, MatchKind
from earmark.bootstrap import Rates, bootstrap_rates, sum_by_recording

BLOCK_ROWS = 65_536
"""Rows that are judged at a time."""


class NameIndex:
    """Names by number, in the order in which they came."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def number(self, names: Iterable[str]) -> list[int]:
        """Return the number of each name, a new one where it has none."""
        known = self._numbers
        return [known.setdefault(name, len(known)) for name in names]


class NameLists:
    """Lists of names, one a row, each name once in it."""

    def __init__(self) -> None:
        self.names = NameIndex()
        self._numbers = array("i")
        self._ends = array("q", [0])

    def append(self, names: Iterable[str]) -> None:
        """Add a row."""
        self._numbers.extend(self.names.number(dict.fromkeys(names)))
        self._ends.append(len(self._numbers))

    def uses(self) -> Int[np.ndarray, " names"]:
        """Return how many rows have each name."""
        return np.bincount(np.frombuffer(self._numbers, np.int32), minlength=len(self.names))

    def matrix(self, start: int) -> Any:
        """Return a block of rows as a sparse matrix [rows, names], 1 where a row has a name."""
        from scipy import sparse

        ends = np.frombuffer(self._ends, np.int64)[start : start + BLOCK_ROWS + 1]
        numbers = np.frombuffer(self._numbers, np.int32)[ends[0] : ends[-1]]
        cells = np.ones(len(numbers), np.int32), numbers, ends - ends[0]
        return sparse.csr_array(cells, shape=(len(ends) - 1, len(self.names)))


class LabeledRows:
    """Clips or captions that people labelled in one field, with their tags.

    `denied` labels say what is not heard ("no voices"): no tag is to name them, so they are left
    out, and so is a row that has no others.
    """

    def __init__(self) -> None:
        self.tags = NameLists()
        self.labels = NameLists()
        self.domain_names = NameIndex()
        self.denied = 0
        self._recordings = array("Q")
        self._domains = array("i")

    def __len__(self) -> int:
        return len(self._recordings)

    def append(
        self, recording: str, domain: str, tags: Iterable[str], labels: Iterable[str]
    ) -> None:
        """Add a row.

        Args:
            recording: what the row is of; rows of one recording are not independent.
            domain: "" where it is not known.
            tags: all tags of the row.
            labels: all labels of the row in the field.
        """
        given = tuple(dict.fromkeys(labels))
        kept = [label for label in given if not is_negated(label)]
        self.denied += len(given) - len(kept)
        if kept:
            self.tags.append(tags)
            self.labels.append(kept)
            self._domains.extend(self.domain_names.number([domain]))
            # 64 bits: two of a million recordings are taken for one in 37 million audits.
            digest = hashlib.blake2b(recording.encode(), digest_size=8).digest()
            self._recordings.append(int.from_bytes(digest, "little"))

    @property
    def recordings(self) -> UInt64[np.ndarray, " rows"]:
        """A number for each row, the same for all rows of a recording."""
        return np.frombuffer(self._recordings, np.uint64)

    @property
    def domains(self) -> Int[np.ndarray, " rows"]:
        """The number of each row's domain."""
        return np.frombuffer(self._domains, np.int32)


class MatchTable(NamedTuple):
    """What one matcher makes of the rows.

    A mention is a class that a row has or is said to have; `flags` says of it whether it is named,
    right, labelled and found. `counts` sums these by row.
    """

    counts: Int[np.ndarray, "rows 4"]
    rows: Int[np.ndarray, " mentions"]
    classes: Int[np.ndarray, " mentions"]
    flags: UInt8[np.ndarray, "mentions 4"]


@dataclass(frozen=True)
class _MatchMatrices:
    """A matcher as sparse matrices.

    A tag names classes by itself (`alone`), or has `lemmas`; a name `needs` so many (`sizes`) of
    them to be put together, and then stands for its class (`stands_for`).
    """

    alone: Any
    lemmas: Any
    needs: Any
    sizes: Int[np.ndarray, " names"]
    stands_for: Any
    implied: Any

    def named(self, tags: Any) -> Any:
        """Return the classes that the tags of each row together name, as 0 and 1."""
        present = (tags @ self.lemmas).sign()
        whole = present @ self.needs
        whole.data = (whole.data == self.sizes[whole.indices]).astype(np.int32)
        return (tags @ self.alone + whole @ self.stands_for).sign()


def match_rows(rows: LabeledRows, matcher: Matcher) -> MatchTable:
    """Return what `matcher`, over the labels of `rows` in their order, makes of each row."""
    rule = _match_matrices(matcher, list(rows.tags.names))
    blocks = [_match_block(rows, rule, start) for start in range(0, len(rows), BLOCK_ROWS)]
    if not blocks:
        blocks = [
            _match_table(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), 0, 0)
        ]
    return MatchTable(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def _match_block(rows: LabeledRows, rule: _MatchMatrices, start: int) -> MatchTable:
    labels = rows.labels.matrix(start)
    named = rule.named(rows.tags.matrix(start))
    right = named.multiply((labels @ rule.implied).sign())
    bits = (named + 2 * right + 4 * labels + 8 * named.multiply(labels)).tocsr()
    bits.eliminate_zeros()
    bits.sort_indices()
    own = np.repeat(np.arange(bits.shape[0]), np.diff(bits.indptr))
    return _match_table(own, bits.indices, bits.data, bits.shape[0], start)


def _match_table(
    rows: Int[np.ndarray, " mentions"],
    classes: Int[np.ndarray, " mentions"],
    bits: Int[np.ndarray, " mentions"],
    size: int,
    start: int,
) -> MatchTable:
    flags = (bits[:, None] >> np.arange(4) & 1).astype(np.uint8)
    counts = [np.bincount(rows, flag, minlength=size) for flag in flags.T]
    return MatchTable(
        np.stack(counts, axis=1).astype(np.int64),
        (rows + start).astype(np.int32),
        classes.astype(np.int32),
        flags,
    )


def _match_matrices(matcher: Matcher, tags: Sequence[str]) -> _MatchMatrices:
    classes = matcher.classes
    whole = [pair for pairs in classes.composed.values() for pair in pairs]
    if matcher.match == "exact":
        whole = []
    lemmas = {lemma: n for n, lemma in enumerate({each for _, own in whole for each in own})}
    of_tags = [word_lemmas(split_words(tag)) for tag in tags]
    alone = [classes.written([tag]) | matcher.near.get(tag, frozenset()) for tag in tags]
    return _MatchMatrices(
        alone=_incidence(alone, len(classes.names)),
        lemmas=_incidence(
            [[lemmas[each] for each in own if each in lemmas] for own in of_tags], len(lemmas)
        ),
        needs=_incidence([[lemmas[each] for each in own] for _, own in whole], len(lemmas)).T,
        sizes=np.array([len(own) for _, own in whole], np.int32),
        stands_for=_incidence([[position] for position, _ in whole], len(classes.names)),
        implied=_incidence(matcher.implied, len(classes.names)),
    )


def _incidence(lists: Sequence[Iterable[int]], width: int) -> Any:
    """Return a sparse matrix [lists, width], 1 where a list holds the number of a column."""
    from scipy import sparse

    own = [sorted(each) for each in lists]
    columns = np.array([number for each in own for number in each], np.int32)
    ends = np.cumsum([0, *map(len, own)])
    cells = np.ones(len(columns), np.int32), columns, ends
    return sparse.csr_array(cells, shape=(len(own), width))


MIN_CLIPS = 5
"""A label that fewer clips carry gets no row of its own: its interval would say nothing."""


class _Group(NamedTuple):
    """Counts by recording of one row of the result; `blank` recordings have only zeros."""

    kind: Literal["all", "domain", "label"]
    name: str
    clips: int
    counts: Int64[np.ndarray, "recordings 4"]
    blank: int = 0


def compute_agreement(
    source: str,
    field: str,
    rows: LabeledRows,
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
        table = match_rows(rows, matcher)
        groups = (
            _overall(rows, table, recordings),
            _by_label(table, recordings, matcher.classes.names),
        )
        for group in chain(*groups):
            rng = np.random.default_rng((seed, *group.name.encode()))
            found = bootstrap_rates(group.counts, rng, resamples, blank=group.blank)
            yield _agreement_row(source, field, matcher.match, group, found)


def _agreement_row(
    source: str, field: str, match: MatchKind, group: _Group, found: Rates
) -> Agreement:
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
    rows: LabeledRows, table: MatchTable, recordings: Int[np.ndarray, " rows"]
) -> Iterator[_Group]:
    yield _Group("all", "all", len(rows), sum_by_recording(table.counts, recordings))
    numbers = {domain: number for number, domain in enumerate(rows.domain_names)}
    for domain, number in sorted(numbers.items()):
        if domain:
            chosen = rows.domains == number
            counts = sum_by_recording(table.counts[chosen], recordings[chosen])
            yield _Group("domain", domain, int(chosen.sum()), counts)


def _by_label(
    table: MatchTable, recordings: Int[np.ndarray, " rows"], names: Sequence[str]
) -> Iterator[_Group]:
    """Yield a group for each label that enough rows carry, by name."""
    by_class = np.argsort(table.classes, kind="stable")
    ends = np.searchsorted(table.classes[by_class], np.arange(len(names) + 1))
    total = len(np.unique(recordings))
    for position in sorted(range(len(names)), key=lambda number: names[number]):
        own = by_class[ends[position] : ends[position + 1]]
        flags = table.flags[own].astype(np.int64)
        clips = int(flags[:, 2].sum())
        if clips >= MIN_CLIPS:
            touched = sum_by_recording(flags, recordings[table.rows[own]])
            yield _Group("label", names[position], clips, touched, total - len(touched))
