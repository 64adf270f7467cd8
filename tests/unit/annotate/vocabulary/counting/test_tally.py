import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.vocabulary.counting.count import Grouping, count_batch, sum_counts, to_tally
from earmark.annotate.vocabulary.counting.parts import RowBatch

TERMS, GROUPS = 6, 4
captions = st.lists(st.lists(st.integers(0, TERMS - 1), unique=True, max_size=5), max_size=8)
groups = st.lists(st.integers(-1, GROUPS - 1), min_size=TERMS, max_size=TERMS)
domains = st.lists(st.integers(-1, 2), min_size=GROUPS, max_size=GROUPS)


def batch_of(rows: list[list[int]]) -> RowBatch:
    lengths = np.array([len(row) for row in rows], np.int32)
    return RowBatch(lengths, np.array([code for row in rows for code in row], np.int32))


def grouping_of(group: list[int], seeds: list[int]) -> Grouping:
    return Grouping(np.array(group, np.int32), np.array(seeds, np.int8))


@given(captions, groups, domains)
def test_counts_as_a_plain_loop_does(
    rows: list[list[int]], group: list[int], seeds: list[int]
) -> None:
    df = [0] * GROUPS
    by_domain = [[0] * 3 for _ in range(GROUPS)]
    captions_by_domain = [0] * 3
    for row in rows:
        held = {group[code] for code in row} - {-1}
        of = {seeds[tag] for tag in held} - {-1} or {2}
        for domain in of:
            captions_by_domain[domain] += 1
        for tag in held:
            df[tag] += 1
            for domain in of:
                by_domain[tag][domain] += 1
    tally = to_tally(count_batch(batch_of(rows), grouping_of(group, seeds)))
    assert tally.df.tolist() == df
    assert tally.by_domain.tolist() == by_domain
    assert tally.captions == len(rows)
    assert tally.captions_by_domain.tolist() == captions_by_domain


@given(captions, captions, groups, domains)
def test_batches_add_up(
    one: list[list[int]], other: list[list[int]], group: list[int], seeds: list[int]
) -> None:
    grouping = grouping_of(group, seeds)
    parts = sum_counts((count_batch(batch_of(rows), grouping) for rows in (one, other)), GROUPS)
    assert np.array_equal(parts, count_batch(batch_of(one + other), grouping))


@given(groups, domains, st.permutations(range(GROUPS)))
def test_the_canonical_form_knows_no_numbers_of_groups(
    group: list[int], seeds: list[int], order: list[int]
) -> None:
    renumbered = [order[tag] if tag >= 0 else -1 for tag in group]
    moved = [seeds[order.index(number)] for number in range(GROUPS)]
    one, used = grouping_of(group, seeds).canonical()
    other, others = grouping_of(renumbered, moved).canonical()
    assert one.group.tolist() == other.group.tolist()
    assert one.seeds.tolist() == other.seeds.tolist()
    assert [order[tag] for tag in used] == others.tolist()


@given(captions, groups, domains)
def test_the_canonical_form_counts_the_same(
    rows: list[list[int]], group: list[int], seeds: list[int]
) -> None:
    grouping = grouping_of(group, seeds)
    canonical, used = grouping.canonical()
    counts = count_batch(batch_of(rows), canonical)
    assert np.array_equal(counts[:-1], count_batch(batch_of(rows), grouping)[used])
