from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.audit.counts import MIN_CLIPS, LabeledRows, compute_agreement
from earmark.annotate.audit.matching import build_matchers
from earmark.annotate.audit.results import Agreement
from earmark.bootstrap import bootstrap_rates, count_patterns, sum_by_recording


class Judged(NamedTuple):
    recording: str
    domain: str
    tags: tuple[str, ...]
    labels: tuple[str, ...]


def measure(rows: list[Judged], *, resamples: int = 50, seed: int = 0) -> list[Agreement]:
    labelled = LabeledRows()
    for row in rows:
        labelled.append(*row)
    made = build_matchers(list(labelled.labels.names), [], None)
    return list(
        compute_agreement("corpus", "label", labelled, made, resamples=resamples, seed=seed)
    )


def pick(found: list[Agreement], match: str, group: str) -> Agreement:
    return next(row for row in found if (row.match, row.group) == (match, group))


def judged(tags: str, labels: str, *, recording: str = "", domain: str = "") -> Judged:
    return Judged(recording or f"{tags}|{labels}", domain, tuple(tags.split()), (labels,))


def test_precision_asks_only_of_tags_that_name_a_class() -> None:
    rows = [judged("dog loud noisy", "dog"), judged("cat quiet", "dog"), judged("far", "cat")]
    found = pick(measure(rows), "exact", "all")
    assert (found.clips, found.labels, found.named) == (3, 3, 2)
    assert found.precision == pytest.approx(1 / 2)
    assert found.recall == pytest.approx(1 / 3)
    assert found.f1 == pytest.approx(0.4)


def test_lemma_finds_what_exact_does_not() -> None:
    found = measure([judged("dogs barking", "dog bark"), judged("barks dog", "dog bark")])
    assert pick(found, "exact", "all").recall == 0
    assert pick(found, "lemma", "all").recall == 1


def test_nothing_named_has_no_precision_and_an_f1_of_nought() -> None:
    found = pick(measure([judged("rain", "dog")]), "exact", "all")
    assert math.isnan(found.precision)
    assert (found.recall, found.f1) == (0, 0)


def test_domains_and_labels_have_rows_of_their_own() -> None:
    rows = [judged("dog", "dog", recording=str(i), domain="sound") for i in range(MIN_CLIPS)]
    rows += [judged("dog", "cat", recording="x", domain="sound"), judged("flute", "flute")]
    found = measure(rows)
    assert pick(found, "exact", "sound").precision == pytest.approx(MIN_CLIPS / 6)
    dog = pick(found, "exact", "dog")
    assert (dog.kind, dog.clips, dog.labels, dog.named) == ("label", MIN_CLIPS, 5, 6)
    assert (dog.precision, dog.recall) == (pytest.approx(MIN_CLIPS / 6), 1)
    assert not [row for row in found if row.group in {"cat", "flute", ""}]


def test_clips_of_one_recording_are_drawn_together() -> None:
    tags = ["dog", "cat"] * 20
    apart = measure([judged(tag, "dog", recording=str(i)) for i, tag in enumerate(tags)])
    together = measure([judged(tag, "dog", recording="one") for tag in tags])
    assert pick(together, "exact", "all").recall_low == 0.5
    assert pick(apart, "exact", "all").recall_low < 0.5


def test_the_interval_is_that_of_drawing_recordings_one_by_one() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 3, size=(400, 4))
    counts[:, 1] = np.minimum(counts[:, 0], counts[:, 1])
    found = bootstrap_rates(counts, rng, 4000)
    drawn = counts[rng.integers(0, 400, size=(4000, 400))].sum(axis=1)
    low, high = np.percentile(drawn[:, 1] / drawn[:, 0], [2.5, 97.5])
    assert found.precision.low == pytest.approx(low, abs=0.005)
    assert found.precision.high == pytest.approx(high, abs=0.005)


def test_counts_too_large_for_one_number_have_the_same_intervals() -> None:
    counts = np.array([[1, 1, 2, 1], [3, 2, 2, 2], [1, 1, 2, 1]])
    beyond = np.concatenate([counts, np.full((1, 4), 2**20)])
    for rows in (counts, beyond):
        patterns, times = count_patterns(rows)
        plain, plain_times = np.unique(rows, axis=0, return_counts=True)
        np.testing.assert_array_equal(patterns, plain)
        np.testing.assert_array_equal(times, plain_times)


def test_blank_recordings_count_as_rows_of_nought() -> None:
    counts = np.array([[1, 1, 1, 1], [1, 0, 1, 0]])
    padded = np.concatenate([counts, np.zeros((30, 4), dtype=np.int64)])
    assert bootstrap_rates(counts, np.random.default_rng(1), 200, blank=30) == bootstrap_rates(
        padded, np.random.default_rng(1), 200
    )


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["dog", "cat", "dog cat", "rain"]),
        st.sampled_from(["dog", "cat"]),
        st.sampled_from("abc"),
    ),
    min_size=1,
    max_size=30,
)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_has_no_influence(rows: list[tuple[str, str, str]], random) -> None:
    first = [judged(tags, label, recording=name) for tags, label, name in rows]
    second = random.sample(first, len(first))
    assert list(map(repr, measure(first))) == list(map(repr, measure(second)))


@given(ROWS)
def test_an_interval_holds_its_value(rows: list[tuple[str, str, str]]) -> None:
    for row in measure([judged(tags, label, recording=name) for tags, label, name in rows]):
        for rate in (row.precision, row.recall, row.f1):
            assert math.isnan(rate) or 0 <= rate <= 1
        assert math.isnan(row.recall) or row.recall_low <= row.recall_high


def test_grouping_sums_over_recordings() -> None:
    counts = np.array([[1, 2], [3, 4], [5, 6]])
    assert sum_by_recording(counts, np.array([7, 3, 7])).tolist() == [[3, 4], [6, 8]]
