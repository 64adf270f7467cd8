import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.vocabulary.counting.id_hashes import distinct_hashes, hash_ids, shared_hashes

ids = st.lists(st.text(max_size=20), max_size=20)


@given(ids, ids)
def test_equal_ids_and_no_others_have_equal_hashes(before: list[str], names: list[str]) -> None:
    whole = pa.array([*before, *names, *before], pa.string())
    hashes = hash_ids(whole).tolist()
    assert len(set(hashes)) == len({*before, *names})
    sliced = whole.slice(len(before), len(names))
    assert hash_ids(sliced).tolist() == hashes[len(before) : len(before) + len(names)]


def test_padding_does_not_make_ids_alike() -> None:
    names = [start + "\0" * zeros for start in ("", "a", "abcdefgh") for zeros in range(18)]
    assert len(set(hash_ids(pa.array(names)).tolist())) == len(names)


def test_hashes_are_those_of_every_machine() -> None:
    found = [hex(one) for one in hash_ids(pa.array(["", "a", "clip-0001"])).tolist()]
    assert found == ["0xe220a8397b1dcdaf", "0x5e025f9ade9eaf3e", "0x2181a29dc5278907"]


@given(st.lists(st.lists(st.integers(0, 20), max_size=10), max_size=5))
def test_what_parts_share_is_found(parts: list[list[int]]) -> None:
    arrays = [np.unique(np.array(part, np.uint64)) for part in parts]
    every = [value for part in parts for value in {*part}]
    assert shared_hashes(arrays).tolist() == sorted({v for v in every if every.count(v) > 1})


@given(st.lists(st.integers(0, 20), max_size=20))
def test_repeats_are_the_rows_after_the_first(values: list[int]) -> None:
    distinct, repeats = distinct_hashes(np.array(values, np.uint64))
    assert distinct.tolist() == sorted({*values})
    assert repeats.tolist() == [row for row, value in enumerate(values) if value in values[:row]]
