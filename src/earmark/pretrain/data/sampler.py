"""(seed, index) to the clips of a batch, without state.

Clips are sorted into buckets of similar length, once. In each epoch every bucket is shuffled, cut
into batches of nearly equal size, and the batches of all buckets are shuffled. An epoch always has
the same number of batches, so the batch of any index follows from the seed and the index by
arithmetic: a resumed run continues in the middle of an epoch without replaying it, no clip comes
twice, and processes that take different indices have different clips.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Num

from earmark.config import ConfigError
from earmark.pretrain.seeds import seeded_rng

MIN_BATCHES_PER_BUCKET = 2
"""At least so many: in smaller buckets the same clips would meet in a batch each time."""
MAX_BUCKETS = 128
MAX_PADDING_SHARE = 0.04
"""Fewer buckets mix clips better; so many are made that no more than this is padding."""
MAX_CACHED_EPOCHS = 2
"""Loaders of batches on both sides of an epoch's end take turns."""


class BucketSampler:
    """Which clips make up the micro-batch of an index.

    Args:
        durations_s: of the clips, after cropping.
        batch_s: seconds a batch may hold, padding included.
        seed: of all shuffling.

    Attributes:
        batches_per_epoch: indices that together hold every clip once.

    Raises:
        ConfigError: there are no clips, or one is longer than a batch.
    """

    def __init__(
        self, durations_s: Sequence[float] | Num[np.ndarray, " clips"], batch_s: float, *, seed: int
    ) -> None:
        durations = np.asarray(durations_s, dtype=np.float64)
        if not durations.size:
            raise ConfigError("there are no clips to train on.")
        longest_s = float(durations.max())
        if longest_s > batch_s:
            raise ConfigError(
                f"batch_s = {batch_s:g} cannot hold a clip of {longest_s:.1f} s. "
                f"Set batch_s to {math.ceil(longest_s)} or more, or max_clip_s to {batch_s:g}."
            )
        self._seed = seed
        self._buckets = _make_buckets(durations, batch_s)
        self.batches_per_epoch = sum(count for _, count in self._buckets)
        self._epochs: OrderedDict[int, _Epoch] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, index: int) -> list[int]:
        """Return the places of the clips of micro-batch 0, 1, ... over all processes."""
        number, place = divmod(index, self.batches_per_epoch)
        return self._epoch(number).batch(place)

    def epoch(self, index: int) -> float:
        """Return how many epochs are done when micro-batch `index` begins."""
        return index / self.batches_per_epoch

    def _epoch(self, number: int) -> _Epoch:
        # One loader thread shuffles, the others wait for it.
        with self._lock:
            if number not in self._epochs:
                self._epochs[number] = self._shuffled(number)
            self._epochs.move_to_end(number)
            while len(self._epochs) > MAX_CACHED_EPOCHS:
                self._epochs.popitem(last=False)
            return self._epochs[number]

    def _shuffled(self, number: int) -> _Epoch:
        rng = seeded_rng(self._seed, "order", number)
        clips = np.concatenate([rng.permutation(clips) for clips, _ in self._buckets])
        sizes = np.concatenate([_even_sizes(len(clips), count) for clips, count in self._buckets])
        ends = np.cumsum(sizes)
        return _Epoch(clips, ends - sizes, ends, rng.permutation(len(sizes)))


@dataclass(frozen=True)
class _Epoch:
    """`clips` in the order of their buckets, where each batch of them begins and ends, and when."""

    clips: Num[np.ndarray, " clips"]
    starts: Int64[np.ndarray, " batches"]
    ends: Int64[np.ndarray, " batches"]
    turns: Int64[np.ndarray, " batches"]

    def batch(self, place: int) -> list[int]:
        turn = self.turns[place]
        return self.clips[self.starts[turn] : self.ends[turn]].tolist()


def _even_sizes(clips: int, batches: int) -> Int64[np.ndarray, " batches"]:
    sizes = np.full(batches, clips // batches, dtype=np.int64)
    sizes[: clips % batches] += 1
    return sizes


def _make_buckets(
    durations_s: Float64[np.ndarray, " clips"], batch_s: float
) -> list[tuple[Num[np.ndarray, " _"], int]]:
    """Return (clips of like length, batches to cut them into), shortest clips first."""
    # Sixteen bits are sorted in linear time, and in the same order on every machine.
    coarse = (durations_s * (65535 / durations_s.max())).astype(np.uint16)
    by_length = np.argsort(coarse, kind="stable")
    if len(durations_s) < 2**31:
        by_length = by_length.astype(np.int32)
    cuts = _bucket_bounds(durations_s[by_length], batch_s)
    cut = [clips for clips in np.split(by_length, cuts) if len(clips)]
    return [
        (clips, _batch_count(len(clips), float(durations_s[clips].max()), batch_s)) for clips in cut
    ]


def _bucket_bounds(
    sorted_s: Float64[np.ndarray, " clips"], batch_s: float
) -> Int64[np.ndarray, " _"]:
    """Return where buckets part: the fewest that are as good as PADDING_SHARE, or the most."""
    share = np.cumsum(sorted_s)
    most = min(MAX_BUCKETS, max(1, int(share[-1] / (batch_s * MIN_BATCHES_PER_BUCKET))))
    cuts = np.zeros(0, dtype=np.int64)
    for buckets in range(1, most + 1):
        # Equal seconds a bucket, not equal clips: batches are counted in seconds.
        cuts = np.searchsorted(share, share[-1] * np.arange(1, buckets) / buckets)
        ends = np.append(cuts, len(sorted_s))
        padded_s = np.diff(ends, prepend=0) @ sorted_s[np.maximum(ends - 1, 0)]
        if share[-1] >= (1 - MAX_PADDING_SHARE) * padded_s:
            break
    return cuts


def _batch_count(clips: int, longest_s: float, batch_s: float) -> int:
    return math.ceil(clips / max(1, int(batch_s / longest_s)))
