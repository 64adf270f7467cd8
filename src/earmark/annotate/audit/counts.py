"""Tags of many rows judged at once: which classes they name, and what of it is right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int, UInt8

from earmark.annotate.audit.labelled import BLOCK, Labelled
from earmark.annotate.audit.matching import Matcher
from earmark.annotate.audit.names import lemmas_of, words_of


class Table(NamedTuple):
    """What one matcher makes of the rows.

    A mention is a class that a row has or is said to have; `flags` says of it whether it is named,
    right, labelled and found. `counts` sums these by row.
    """

    counts: Int[np.ndarray, "rows 4"]
    rows: Int[np.ndarray, " mentions"]
    classes: Int[np.ndarray, " mentions"]
    flags: UInt8[np.ndarray, "mentions 4"]


@dataclass(frozen=True)
class _Rule:
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


def judge(rows: Labelled, matcher: Matcher) -> Table:
    """Return what `matcher`, over the labels of `rows` in their order, makes of each row."""
    rule = _rule(matcher, list(rows.tags.names))
    blocks = [_judge_block(rows, rule, start) for start in range(0, len(rows), BLOCK)]
    if not blocks:
        blocks = [_table(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), 0, 0)]
    return Table(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def _judge_block(rows: Labelled, rule: _Rule, start: int) -> Table:
    labels = rows.labels.matrix(start)
    named = rule.named(rows.tags.matrix(start))
    right = named.multiply((labels @ rule.implied).sign())
    bits = (named + 2 * right + 4 * labels + 8 * named.multiply(labels)).tocsr()
    bits.eliminate_zeros()
    bits.sort_indices()
    own = np.repeat(np.arange(bits.shape[0]), np.diff(bits.indptr))
    return _table(own, bits.indices, bits.data, bits.shape[0], start)


def _table(
    rows: Int[np.ndarray, " mentions"],
    classes: Int[np.ndarray, " mentions"],
    bits: Int[np.ndarray, " mentions"],
    size: int,
    start: int,
) -> Table:
    flags = (bits[:, None] >> np.arange(4) & 1).astype(np.uint8)
    counts = [np.bincount(rows, flag, minlength=size) for flag in flags.T]
    return Table(
        np.stack(counts, axis=1).astype(np.int64),
        (rows + start).astype(np.int32),
        classes.astype(np.int32),
        flags,
    )


def _rule(matcher: Matcher, tags: Sequence[str]) -> _Rule:
    classes = matcher.classes
    whole = [pair for pairs in classes.composed.values() for pair in pairs]
    if matcher.match == "exact":
        whole = []
    lemmas = {lemma: n for n, lemma in enumerate({each for _, own in whole for each in own})}
    of_tags = [lemmas_of(words_of(tag)) for tag in tags]
    alone = [classes.written([tag]) | matcher.near.get(tag, frozenset()) for tag in tags]
    return _Rule(
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
