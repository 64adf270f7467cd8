"""Find test clips whose audio is a train recording or a part of one, however it is stored.

First, candidates. A frame has three keys, runs of 24 of its 32 bits. The keys of the train frames
are sorted once; those of a test frame are looked up with every combination of their four weakest
bits (Haitsma & Kalker 2002, section 5.2, there one bit at a time). Each hit is an alignment of two
clips.

Then, bit errors against what chance would give. Only bits that are large in both clips are
compared. Their error rate alone would not do for single sounds: of two recordings of one note, most
bits say the same all along ("the energy falls, and most of it lies here"). So errors are compared
with those of two clips that have each bit as often as these two, but at other times: with p and q
the shares of frames in which bit m is set,

    expected = sum over m of n[m] (p[m] (1 - q[m]) + q[m] (1 - p[m]))

as in Cohen's kappa. Errors over this are near 1 for different recordings and near 0 for copies; and
the sum itself says how much evidence there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt32

from earmark.evaluate.leakage.fingerprint import (
    BITS,
    COLUMNS,
    FRAME_SAMPLES,
    HOP_S,
    KEY_BITS,
    KEY_SHIFTS,
    SAMPLE_RATE,
    WEAK_BITS,
    Fingerprints,
    compute_fingerprints,
)
from earmark.evaluate.leakage.leak import Leak, make_leak
from earmark.records import Example, Rejected

MIN_LARGE_BITS = 8
"""Bits of a key that have to be large: else chance wrote it."""

MAX_FRAMES_PER_KEY = 1024
"""Learnt frames of one key from which on it is passed over: a hum or a hiss that many share."""

TEST_FRAMES_PER_BLOCK = 4096
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


def find_alignments(learnt: Fingerprints, tested: Fingerprints) -> Iterator[Alignments]:
    """Yield the alignments that some key speaks for, in blocks; one may come once a key."""
    for number in range(len(KEY_SHIFTS)):
        yield from _alignments_by_key(learnt, tested, number)


def _alignments_by_key(
    learnt: Fingerprints, tested: Fingerprints, number: int
) -> Iterator[Alignments]:
    """Yield the alignments of frames that share the key `number`."""
    shift = KEY_SHIFTS[number]
    places = np.flatnonzero(_is_informative(learnt.frames, shift))
    keys = _key_bits(learnt.frames[places, 0], shift)
    order = np.argsort(keys, kind="stable")
    keys, places = keys[order], places[order]
    asked = np.flatnonzero(_is_informative(tested.frames, shift))
    for first in range(0, len(asked), TEST_FRAMES_PER_BLOCK):
        frames = asked[first : first + TEST_FRAMES_PER_BLOCK]
        tries = _key_variants(tested.frames[frames, 0], tested.frames[frames, 2 + number], shift)
        which, where = _look_up(keys, tries)
        yield _to_alignments(learnt, tested, frames[which], places[where])


def _is_informative(frames: UInt32[np.ndarray, "frames columns"], shift: int) -> np.ndarray:
    return np.bitwise_count(_key_bits(frames[:, 1], shift)) >= MIN_LARGE_BITS


def _key_bits(words: UInt32[np.ndarray, " frames"], shift: int) -> UInt32[np.ndarray, " frames"]:
    return (words >> np.uint32(shift)) & np.uint32(2**KEY_BITS - 1)


def _key_variants(
    bits: UInt32[np.ndarray, " frames"], weak: UInt32[np.ndarray, " frames"], shift: int
) -> UInt32[np.ndarray, "frames tries"]:
    """Return the keys with every combination of the weak bits turned over."""
    tries = _key_bits(bits, shift)[:, None]
    left = _key_bits(weak, shift)
    for _ in range(WEAK_BITS):
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
    counts[counts > MAX_FRAMES_PER_KEY] = 0
    which = np.repeat(np.arange(tries.size) // tries.shape[1], counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return which, np.repeat(first, counts) + within


def _to_alignments(
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


FrameBits = UInt32[np.ndarray, " frames"]

FRAMES_PER_BLOCK = 1 << 18
"""Frames compared at a time."""

MAX_ERROR_RATIO = 0.3
"""Of those expected, the share from which on two clips are different recordings."""

MIN_EXPECTED_ERRORS = 100
"""Errors by chance below which an overlap says too little: a hum, silence, one decaying note."""

MIN_FRAMES = 24
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
        return (self.frames >= MIN_FRAMES) & (self.expected >= MIN_EXPECTED_ERRORS)

    @property
    def copies(self) -> Bool[np.ndarray, " pairs"]:
        """Whether the two are one recording."""
        return self.tells & (self.errors <= MAX_ERROR_RATIO * self.expected)


def filter_alignments(learnt: Fingerprints, tested: Fingerprints, pairs: Alignments) -> Alignments:
    """Return the alignments that may be copies by their error rate alone: few.

    Per bit, |p - q| is at most the error rate e, so that chance makes at most (1 + e) / 2 errors:
    a copy has e <= ERRORS / (2 - ERRORS).
    """
    most = MAX_ERROR_RATIO / (2 - MAX_ERROR_RATIO)
    pairs = pairs.those(_overlap(learnt, tested, pairs)[1] >= MIN_FRAMES)
    kept: list[Alignments] = []
    for part in _blocks(learnt, tested, pairs):
        mine, theirs, both, begins = _shared_frames(learnt, tested, part)
        errors = _sum_by_pair(np.bitwise_count((mine ^ theirs) & both), begins)
        bits = _sum_by_pair(np.bitwise_count(both), begins)
        kept.append(part.those((errors <= most * bits) & (bits > MIN_EXPECTED_ERRORS)))
    return concat_alignments(kept)


def concat_alignments(parts: Sequence[Alignments]) -> Alignments:
    """Return all alignments of `parts`, each once and in order."""
    nothing = np.zeros(0, np.int64)
    return Alignments(
        np.concatenate([nothing, *(part.tested for part in parts)]),
        np.concatenate([nothing, *(part.learnt for part in parts)]),
        np.concatenate([nothing, *(part.offset for part in parts)]),
    ).distinct()


def compare_alignments(learnt: Fingerprints, tested: Fingerprints, pairs: Alignments) -> Evidence:
    """Compare the frames that each pair shares when aligned; each must share some."""
    parts = [_compare_block(learnt, tested, part) for part in _blocks(learnt, tested, pairs)]
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


def _blocks(learnt: Fingerprints, tested: Fingerprints, pairs: Alignments) -> Iterator[Alignments]:
    lengths = _overlap(learnt, tested, pairs)[1]
    part = np.cumsum(lengths) // FRAMES_PER_BLOCK
    cuts = np.flatnonzero(np.diff(part)) + 1
    columns = zip(
        np.split(pairs.tested, cuts),
        np.split(pairs.learnt, cuts),
        np.split(pairs.offset, cuts),
        strict=True,
    )
    return (Alignments(*column) for column in columns if len(column[0]))


def _compare_block(learnt: Fingerprints, tested: Fingerprints, pairs: Alignments) -> Evidence:
    mine, theirs, both, begins = _shared_frames(learnt, tested, pairs)
    return Evidence(
        _sum_by_pair(both != 0, begins),
        _sum_by_pair(np.bitwise_count(both), begins),
        _sum_by_pair(np.bitwise_count((mine ^ theirs) & both), begins),
        _expected_errors(mine, theirs, both, begins),
    )


def _shared_frames(
    learnt: Fingerprints, tested: Fingerprints, pairs: Alignments
) -> tuple[FrameBits, FrameBits, FrameBits, Int64[np.ndarray, " pairs"]]:
    """Return, frame by frame, both clips' bits and which count, and where each pair begins."""
    first, lengths = _overlap(learnt, tested, pairs)
    begins = np.cumsum(lengths) - lengths
    within = np.arange(lengths.sum()) - np.repeat(begins, lengths)
    mine = np.repeat(tested.starts[pairs.tested] + first, lengths) + within
    theirs = np.repeat(learnt.starts[pairs.learnt] + pairs.offset + first, lengths) + within
    both = tested.frames[mine, 1] & learnt.frames[theirs, 1]
    return tested.frames[mine, 0], learnt.frames[theirs, 0], both, begins


def _expected_errors(
    mine: FrameBits, theirs: FrameBits, both: FrameBits, begins: Int64[np.ndarray, " pairs"]
) -> Float64[np.ndarray, " pairs"]:
    """Return the errors that chance would make, by pair; the formula is the module's."""
    expected = np.zeros(len(begins))
    for band in range(BITS):
        bit = np.uint32(1 << band)
        count = np.maximum(_sum_by_pair((both & bit) != 0, begins), 1)
        p = _sum_by_pair((mine & both & bit) != 0, begins) / count
        q = _sum_by_pair((theirs & both & bit) != 0, begins) / count
        expected += count * (p * (1 - q) + q * (1 - p))
    return expected


def _sum_by_pair(
    values: np.ndarray, begins: Int64[np.ndarray, " pairs"]
) -> Int64[np.ndarray, " pairs"]:
    """Return the sum over each pair's frames."""
    return np.add.reduceat(values.astype(np.int64), begins)


COMPARED_COLUMNS = 2
"""Columns of a learnt clip's fingerprint that are looked at."""


def find_shared_audio(
    learnt: Sequence[Example], tested: Sequence[Example], cache: Path
) -> tuple[list[Leak], list[Rejected]]:
    """Return the tested clips that were learnt from, and the clips of which nothing can be told.

    The latter are tested clips that are "too short" or of "too little change" (silence, a steady
    hum: any two are alike), and clips on either side that cannot be read any more.

    Args:
        learnt: of different ids.
        tested: of different ids.
        cache: the folder that keeps fingerprints by clip id.
    """
    theirs, unread = compute_fingerprints(
        learnt, cache, columns=COMPARED_COLUMNS, title="fingerprints, learnt clips"
    )
    mine, untested = compute_fingerprints(
        tested, cache, columns=COLUMNS, title="fingerprints, test clips"
    )
    return find_copies(theirs, mine), [*unread, *untested, *find_undecidable(mine)]


def find_copies(learnt: Fingerprints, tested: Fingerprints) -> list[Leak]:
    """Return a leak for each tested clip that is a copy of a learnt one, or of a part of it.

    Of several learnt clips it is the one that shares most.
    """
    pairs = concat_alignments(
        [filter_alignments(learnt, tested, part) for part in find_alignments(learnt, tested)]
    )
    evidence = compare_alignments(learnt, tested, pairs)
    shared = evidence.expected - evidence.errors
    best: dict[int, int] = {}
    for pair in np.flatnonzero(evidence.copies).tolist():
        clip = int(pairs.tested[pair])
        if clip not in best or shared[pair] > shared[best[clip]]:
            best[clip] = pair
    leaks: list[Leak] = []
    for clip, pair in best.items():
        rate = evidence.errors[pair] / evidence.bits[pair]
        seconds = evidence.frames[pair] * HOP_S + FRAME_SAMPLES / SAMPLE_RATE
        detail = f"bit error rate {rate:.3f} over {seconds:.1f} s"
        found = learnt.clips[int(pairs.learnt[pair])]
        leaks.append(make_leak(tested.clips[clip], found, "fingerprint", detail))
    return leaks


def find_undecidable(clips: Fingerprints) -> list[Rejected]:
    """Return the clips of which a copy could not be told from another sound."""
    lengths = np.diff(clips.starts)
    long_enough = np.flatnonzero(lengths >= MIN_FRAMES)
    itself = Alignments(long_enough, long_enough, np.zeros_like(long_enough))
    telling = set(long_enough[compare_alignments(clips, clips, itself).tells].tolist())
    return [
        Rejected(
            id=clip.id,
            stage="leakage",
            reason="too short" if lengths[number] < MIN_FRAMES else "too little change",
            detail=clip.name,
        )
        for number, clip in enumerate(clips.clips)
        if number not in telling
    ]
