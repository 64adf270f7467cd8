"""Find ids that occur twice: 64 bits for each id, in numpy.

Ten million ids as Python strings in a set take 1 GB, as sorted 64-bit hashes 86 MB. Two different
ids of ten million have the same hash by chance in 3 of a million corpora.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt64

from earmark.annotate.vocabulary.counting.arrays import sorted_duplicates

_WORD = 8  # bytes


def hash_ids(ids: Any) -> UInt64[np.ndarray, " ids"]:
    """Return a hash of each string of an Arrow array; the same on every machine.

    Words of 8 bytes are mixed in with the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast
    splittable pseudorandom number generators", OOPSLA 2014).
    """
    starts, lengths, words = _words(ids)
    hashes = _mix(lengths.astype(np.uint64))
    longest = int(lengths.max(initial=0))
    for offset in range(0, longest, _WORD):
        here = np.flatnonzero(lengths > offset)
        everywhere = len(here) == len(hashes)
        at, left = (starts, lengths) if everywhere else (starts[here], lengths[here])
        word = words[at + offset] & _mask(left - offset)
        if everywhere:
            hashes = _mix(hashes ^ word)
        else:
            hashes[here] = _mix(hashes[here] ^ word)
    return hashes


def distinct_hashes(
    hashes: UInt64[np.ndarray, " ids"],
) -> tuple[UInt64[np.ndarray, " distinct"], Int64[np.ndarray, " repeats"]]:
    """Return the distinct hashes, sorted, and the rows whose hash an earlier row has, rising."""
    distinct = np.sort(hashes)
    doubled = sorted_duplicates(distinct)
    if not len(doubled):
        return distinct, np.empty(0, np.int64)
    rows = np.flatnonzero(np.isin(hashes, doubled))
    _, first = np.unique(hashes[rows], return_index=True)
    return np.unique(distinct), np.delete(rows, first)


def shared_hashes(parts: Sequence[UInt64[np.ndarray, " _"]]) -> UInt64[np.ndarray, " shared"]:
    """Return the hashes that more than one part has, from sorted arrays without repeats.

    The longest array is only searched: it may stay on the disk, and a few new ids beside it cost
    little.
    """
    if len(parts) < 2:
        return np.empty(0, np.uint64)
    *others, longest = sorted(parts, key=len)
    rest = np.concatenate(others)
    rest.sort(kind="stable")  # merges runs that are sorted
    return np.unique(np.concatenate([sorted_duplicates(rest), common_hashes(rest, longest)]))


def common_hashes(
    one: UInt64[np.ndarray, " one"], other: UInt64[np.ndarray, " other"]
) -> UInt64[np.ndarray, " common"]:
    """Return the hashes that are in both of two sorted arrays without repeats."""
    shorter, longer = sorted((one, other), key=len)
    if not len(shorter):
        return np.empty(0, np.uint64)
    places = np.minimum(np.searchsorted(longer, shorter), len(longer) - 1)
    return shorter[longer[places] == shorter]


def _words(ids: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where each string starts, its bytes, and the 8 bytes from every position on."""
    _, offsets, data = ids.buffers()
    bounds = np.frombuffer(offsets, np.int32)[ids.offset : ids.offset + len(ids) + 1]
    start, end = int(bounds[0]), int(bounds[-1])
    padded = np.zeros(end - start + _WORD, np.uint8)
    if end > start:
        padded[: end - start] = np.frombuffer(data, np.uint8)[start:end]
    words = np.ndarray((end - start + 1,), "<u8", padded, strides=(1,))
    return bounds[:-1] - start, np.diff(bounds), words


def _mask(left: np.ndarray) -> UInt64[np.ndarray, " ids"]:
    """Return a mask of the bytes of a word that still belong to a string."""
    unused = (_WORD - np.minimum(left, _WORD)).astype(np.uint64) * np.uint64(8)
    return np.uint64(0xFFFF_FFFF_FFFF_FFFF) >> unused


def _mix(value: UInt64[np.ndarray, " ids"]) -> UInt64[np.ndarray, " ids"]:
    value = value + np.uint64(0x9E37_79B9_7F4A_7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return value ^ (value >> np.uint64(31))
