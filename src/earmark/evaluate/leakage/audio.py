"""Whether two clips that may be one recording are: bit errors, against what chance would give.

Only bits are compared that are large in both clips. Their error rate alone would not do for
single sounds: of two recordings of one note, most bits say the same all along ("the energy falls,
and most of it lies here"). So errors are held against those of two clips that have each bit as
often as these two, but at other times: with p and q the shares of frames in which bit m is set,

    expected = sum over m of n[m] (p[m] (1 - q[m]) + q[m] (1 - p[m]))

as in Cohen's kappa. Errors over this are near 1 for different recordings and near 0 for copies; and
the sum itself says how much there was to tell by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt32

from earmark.evaluate.leakage.candidates import Alignments
from earmark.evaluate.leakage.fingerprint import BITS
from earmark.evaluate.leakage.store import Fingerprints

Words = UInt32[np.ndarray, " frames"]

AT_ONCE = 1 << 18
"""Frames compared at a time."""


ERRORS = 0.3
"""Of those expected, the share from which on two clips are different recordings."""

LEAST_EXPECTED = 100
"""Errors by chance below which an overlap says too little: a hum, silence, one decaying note."""

LEAST_FRAMES = 24
"""Loud frames that both must have: one second of sound."""


@dataclass(frozen=True)
class Evidence:
    """What aligning pairs of clips showed, a value a pair.

    Args:
        frames: that both have and that are loud in both.
        bits: compared in them.
        errors: of these bits.
        expected: errors if the clips had nothing in common but how often each bit is set.
    """

    frames: Int64[np.ndarray, " pairs"]
    bits: Int64[np.ndarray, " pairs"]
    errors: Int64[np.ndarray, " pairs"]
    expected: Float64[np.ndarray, " pairs"]

    @property
    def tells(self) -> Bool[np.ndarray, " pairs"]:
        """Whether there is enough to tell by."""
        return (self.frames >= LEAST_FRAMES) & (self.expected >= LEAST_EXPECTED)

    @property
    def copies(self) -> Bool[np.ndarray, " pairs"]:
        """Whether the two are one recording."""
        return self.tells & (self.errors <= ERRORS * self.expected)


def plausible(learnt: Fingerprints, tested: Fingerprints, pairs: Alignments) -> Alignments:
    """Return the alignments that may be copies by their error rate alone: few.

    Per bit, |p - q| is at most the error rate e, so that chance makes at most (1 + e) / 2 errors:
    a copy has e <= ERRORS / (2 - ERRORS).
    """
    most = ERRORS / (2 - ERRORS)
    pairs = pairs.those(_overlap(learnt, tested, pairs)[1] >= LEAST_FRAMES)
    kept: list[Alignments] = []
    for part in _in_parts(learnt, tested, pairs):
        mine, theirs, both, begins = _shared(learnt, tested, part)
        errors = _sums(np.bitwise_count((mine ^ theirs) & both), begins)
        bits = _sums(np.bitwise_count(both), begins)
        kept.append(part.those((errors <= most * bits) & (bits > LEAST_EXPECTED)))
    return together(kept)


def together(parts: Sequence[Alignments]) -> Alignments:
    """Return all alignments of `parts`, each once and in order."""
    nothing = np.zeros(0, np.int64)
    return Alignments(
        np.concatenate([nothing, *(part.tested for part in parts)]),
        np.concatenate([nothing, *(part.learnt for part in parts)]),
        np.concatenate([nothing, *(part.offset for part in parts)]),
    ).distinct()


def weigh(learnt: Fingerprints, tested: Fingerprints, pairs: Alignments) -> Evidence:
    """Compare the frames that each pair shares when aligned; each must share some."""
    parts = [_weigh(learnt, tested, part) for part in _in_parts(learnt, tested, pairs)]
    nothing = np.zeros(0, np.int64)
    return Evidence(
        np.concatenate([nothing, *(part.frames for part in parts)]),
        np.concatenate([nothing, *(part.bits for part in parts)]),
        np.concatenate([nothing, *(part.errors for part in parts)]),
        np.concatenate([np.zeros(0), *(part.expected for part in parts)]),
    )


def _overlap(
    learnt: Fingerprints, tested: Fingerprints, pairs: Alignments
) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]:
    """Return the first tested frame that both have, and how many there are."""
    tested_frames = np.diff(tested.starts)[pairs.tested]
    learnt_frames = np.diff(learnt.starts)[pairs.learnt]
    first = np.maximum(0, -pairs.offset)
    return first, np.minimum(tested_frames, learnt_frames - pairs.offset) - first


def _in_parts(
    learnt: Fingerprints, tested: Fingerprints, pairs: Alignments
) -> Iterator[Alignments]:
    lengths = _overlap(learnt, tested, pairs)[1]
    part = np.cumsum(lengths) // AT_ONCE
    cuts = np.flatnonzero(np.diff(part)) + 1
    columns = zip(
        np.split(pairs.tested, cuts),
        np.split(pairs.learnt, cuts),
        np.split(pairs.offset, cuts),
        strict=True,
    )
    return (Alignments(*column) for column in columns if len(column[0]))


def _weigh(learnt: Fingerprints, tested: Fingerprints, pairs: Alignments) -> Evidence:
    mine, theirs, both, begins = _shared(learnt, tested, pairs)
    return Evidence(
        _sums(both != 0, begins),
        _sums(np.bitwise_count(both), begins),
        _sums(np.bitwise_count((mine ^ theirs) & both), begins),
        _expected(mine, theirs, both, begins),
    )


def _shared(
    learnt: Fingerprints, tested: Fingerprints, pairs: Alignments
) -> tuple[Words, Words, Words, Int64[np.ndarray, " pairs"]]:
    """Return, frame by frame, both clips' bits and which count, and where each pair begins."""
    first, lengths = _overlap(learnt, tested, pairs)
    begins = np.cumsum(lengths) - lengths
    within = np.arange(lengths.sum()) - np.repeat(begins, lengths)
    mine = np.repeat(tested.starts[pairs.tested] + first, lengths) + within
    theirs = np.repeat(learnt.starts[pairs.learnt] + pairs.offset + first, lengths) + within
    both = tested.frames[mine, 1] & learnt.frames[theirs, 1]
    return tested.frames[mine, 0], learnt.frames[theirs, 0], both, begins


def _expected(
    mine: Words, theirs: Words, both: Words, begins: Int64[np.ndarray, " pairs"]
) -> Float64[np.ndarray, " pairs"]:
    """Return the errors that chance would make, by pair; the formula is the module's."""
    expected = np.zeros(len(begins))
    for band in range(BITS):
        bit = np.uint32(1 << band)
        count = np.maximum(_sums((both & bit) != 0, begins), 1)
        p = _sums((mine & both & bit) != 0, begins) / count
        q = _sums((theirs & both & bit) != 0, begins) / count
        expected += count * (p * (1 - q) + q * (1 - p))
    return expected


def _sums(values: np.ndarray, begins: Int64[np.ndarray, " pairs"]) -> Int64[np.ndarray, " pairs"]:
    """Return the sum over each pair's frames."""
    return np.add.reduceat(values.astype(np.int64), begins)
