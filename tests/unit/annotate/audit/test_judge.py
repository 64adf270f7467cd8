from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float32

from earmark.annotate.audit import counts
from earmark.annotate.audit import counts as judging
from earmark.annotate.audit.counts import LabeledRows, match_rows
from earmark.annotate.audit.matching import build_matchers

WORDS = ("dog", "dogs", "bark", "acoustic", "guitar", "church bell", "bell", "rain")
LABELS = ("Dog bark", "Acoustic guitar", "guitar", "Bell, church bell", "rain", "...")
ROWS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(WORDS), max_size=4),
        st.lists(st.sampled_from(LABELS), min_size=1, max_size=3),
    ),
    max_size=12,
)


class Initials:
    """Names mean the same that begin alike."""

    def embed(self, texts: Sequence[str]) -> Float32[np.ndarray, "texts dim"]:
        starts = [ord(text.removeprefix("the sound of ")[:1] or "_") % 40 for text in texts]
        return np.eye(40, dtype=np.float32)[starts]


@given(ROWS)
def test_many_rows_are_judged_as_a_matcher_judges_each(
    rows: list[tuple[list[str], list[str]]],
) -> None:
    table_rows = LabeledRows()
    for tags, labels in rows:
        table_rows.append("one", "", tags, labels)
    names = list(table_rows.labels.names)
    for matcher in build_matchers(names, WORDS, Initials()):
        table = match_rows(table_rows, matcher)
        for index, (tags, labels) in enumerate(rows):
            own = frozenset(names.index(label) for label in labels)
            named = matcher.named(tags)
            right, found = named & matcher.right(own), named & own
            assert table.counts[index].tolist() == [len(named), len(right), len(own), len(found)]
            of_row = table.rows == index
            said = {
                (c, *flags)
                for c, flags in zip(
                    table.classes[of_row].tolist(), table.flags[of_row].tolist(), strict=True
                )
                for flags in [tuple(flags)]
            }
            sets = (named, right, own, found)
            assert said == {(c, *(int(c in each) for each in sets)) for c in named | own}


def test_the_size_of_a_block_has_no_influence(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = LabeledRows()
    for number in range(10):
        rows.append(str(number), "", ("dog", "bark")[: number % 3], ("dog bark", "rain"))
    matcher = build_matchers(list(rows.labels.names), (), None)[1]
    whole = match_rows(rows, matcher)
    monkeypatch.setattr(counts, "BLOCK_ROWS", 3)
    monkeypatch.setattr(judging, "BLOCK_ROWS", 3)
    for one, other in zip(whole, match_rows(rows, matcher), strict=True):
        np.testing.assert_array_equal(one, other)


def test_labels_that_deny_are_left_out_and_counted() -> None:
    rows = LabeledRows()
    rows.append("a", "", ("dog",), ("no wind", "dog", "dog"))
    rows.append("b", "", ("dog",), ("no wind",))
    assert (len(rows), rows.denied, list(rows.labels.names)) == (1, 2, ["dog"])
    assert rows.labels.uses().tolist() == [1]
