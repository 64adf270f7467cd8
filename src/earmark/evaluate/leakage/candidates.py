"""Where in which learnt clip a tested clip may lie: keys that both have, by a sorted array.

A frame has three keys, runs of 24 of its 32 bits. The learnt frames' keys are sorted once; those
of a tested frame are looked up with every combination of their four weakest bits (Haitsma &
Kalker 2002, section 5.2, there one bit at a time). Each hit is an alignment of two clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt32

from earmark.evaluate.leakage.fingerprint import KEY_BITS, KEY_SHIFTS, WEAKEST
from earmark.evaluate.leakage.store import Fingerprints

LEAST_LARGE = 8
"""Bits of a key that have to be large: else chance wrote it."""

CROWDED = 1024
"""Learnt frames of one key from which on it is passed over: a hum or a hiss that many share."""

TESTED_AT_ONCE = 4096
"""Tested frames that are looked up at a time: 200,000 look-ups."""


@dataclass(frozen=True)
class Alignments:
    """Pairs of clips by number, and where in the learnt clip the tested one starts.

    The offset counts frames; it is negative where the tested clip starts before the learnt one.
    """

    tested: Int64[np.ndarray, " pairs"]
    learnt: Int64[np.ndarray, " pairs"]
    offset: Int64[np.ndarray, " pairs"]

    def those(self, rows: np.ndarray) -> Alignments:
        """Return the alignments at `rows`, numbers or a mask."""
        return Alignments(self.tested[rows], self.learnt[rows], self.offset[rows])

    def distinct(self) -> Alignments:
        """Return each once, in order of the tested clip, the learnt clip and the offset."""
        ordered = self.those(np.lexsort((self.offset, self.learnt, self.tested)))
        new = np.ones(len(ordered.tested), bool)
        for column in (ordered.tested, ordered.learnt, ordered.offset):
            new[1:] &= column[1:] == column[:-1]
        new[1:] = ~new[1:]
        return ordered.those(new)


def alignments(learnt: Fingerprints, tested: Fingerprints) -> Iterator[Alignments]:
    """Yield the alignments that some key speaks for, in blocks; one may come once a key."""
    for number in range(len(KEY_SHIFTS)):
        yield from _by_key(learnt, tested, number)


def _by_key(learnt: Fingerprints, tested: Fingerprints, number: int) -> Iterator[Alignments]:
    """Yield the alignments of frames that share the key `number`."""
    shift = KEY_SHIFTS[number]
    places = np.flatnonzero(_telling(learnt.frames, shift))
    keys = _keys(learnt.frames[places, 0], shift)
    order = np.argsort(keys, kind="stable")
    keys, places = keys[order], places[order]
    asked = np.flatnonzero(_telling(tested.frames, shift))
    for first in range(0, len(asked), TESTED_AT_ONCE):
        frames = asked[first : first + TESTED_AT_ONCE]
        tries = _tries(tested.frames[frames, 0], tested.frames[frames, 2 + number], shift)
        which, where = _look_up(keys, tries)
        yield _aligned(learnt, tested, frames[which], places[where])


def _telling(frames: UInt32[np.ndarray, "frames columns"], shift: int) -> np.ndarray:
    return np.bitwise_count(_keys(frames[:, 1], shift)) >= LEAST_LARGE


def _keys(words: UInt32[np.ndarray, " frames"], shift: int) -> UInt32[np.ndarray, " frames"]:
    return (words >> np.uint32(shift)) & np.uint32(2**KEY_BITS - 1)


def _tries(
    bits: UInt32[np.ndarray, " frames"], weak: UInt32[np.ndarray, " frames"], shift: int
) -> UInt32[np.ndarray, "frames tries"]:
    """Return the keys with every combination of the weak bits turned over."""
    tries = _keys(bits, shift)[:, None]
    left = _keys(weak, shift)
    for _ in range(WEAKEST):
        rest = left & (left - np.uint32(1))
        tries = np.concatenate([tries, tries ^ (left ^ rest)[:, None]], axis=1)
        left = rest
    return tries


def _look_up(
    keys: UInt32[np.ndarray, " learnt"], tries: UInt32[np.ndarray, "frames tries"]
) -> tuple[Int64[np.ndarray, " hits"], Int64[np.ndarray, " hits"]]:
    """Return, for each hit, which frame asked and which of the sorted keys it found."""
    first = np.searchsorted(keys, tries.ravel(), "left")
    counts = np.searchsorted(keys, tries.ravel(), "right") - first
    counts[counts > CROWDED] = 0
    which = np.repeat(np.arange(tries.size) // tries.shape[1], counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return which, np.repeat(first, counts) + within


def _aligned(
    learnt: Fingerprints,
    tested: Fingerprints,
    asked: Int64[np.ndarray, " hits"],
    found: Int64[np.ndarray, " hits"],
) -> Alignments:
    """Return the alignments that hits speak for, each once."""
    tested_clip = np.searchsorted(tested.starts, asked, "right") - 1
    learnt_clip = np.searchsorted(learnt.starts, found, "right") - 1
    offset = (found - learnt.starts[learnt_clip]) - (asked - tested.starts[tested_clip])
    return Alignments(tested_clip, learnt_clip, offset).distinct()
