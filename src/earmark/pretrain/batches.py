"""(seed, step) to a batch of clips, without state.

Clips are sorted into buckets of like length, once. In each epoch every bucket is shuffled, cut into
batches of nearly equal size, and the batches of all buckets are shuffled. An epoch always has the
same number of batches, so the batch of any step follows from the seed and the step by arithmetic:
a resumed run goes on in the middle of an epoch without replaying it, and no clip comes twice.

Clips are decoded in threads (libsndfile and soxr release the interpreter's lock). They are not
kept: one core decodes FLAC some thousand times faster than real time, several times what training
takes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from earmark import audio
from earmark.config import ConfigError
from earmark.pretrain.randomness import derived_seed, generator
from earmark.pretrain.waves import as_wave, pad
from earmark.records import Example, span_of

BATCHES_A_BUCKET = 4
"""At least so many: in smaller buckets the same clips would meet in a batch each time."""
MOST_BUCKETS = 64

B = TypeVar("B")


@dataclass(frozen=True)
class Batch:
    """Clips of one step.

    `wave` holds samples in [-1, 1], zeros behind each row's `lengths`; `seeds` one number a clip,
    fixed by (seed, step, clip id), from which its augmentation follows.
    """

    examples: tuple[Example, ...]
    wave: Float32[Tensor, "batch samples"]
    lengths: Int64[Tensor, " batch"]
    seeds: tuple[int, ...]


class Order:
    """Which clips make up the batch of a step.

    Args:
        durations_s: of the clips, after cropping.
        batch_s: seconds a batch may hold, padding included.
        seed: of all shuffling.

    Raises:
        ConfigError: there are no clips, or one is longer than a batch.
    """

    def __init__(self, durations_s: Sequence[float], batch_s: float, *, seed: int) -> None:
        if not durations_s:
            raise ConfigError("there are no clips to train on.")
        longest_s = max(durations_s)
        if longest_s > batch_s:
            raise ConfigError(
                f"batch_s = {batch_s:g} cannot hold a clip of {longest_s:.1f} s. "
                f"Set batch_s to {math.ceil(longest_s)} or more, or max_clip_s to {batch_s:g}."
            )
        self._seed = seed
        self._buckets = _buckets(np.asarray(durations_s, dtype=np.float64), batch_s)
        self.batches_an_epoch = sum(count for _, count in self._buckets)
        self._epoch = lru_cache(maxsize=2)(self._shuffled)

    def __call__(self, step: int) -> list[int]:
        """Return the places of the clips of step 0, 1, ..."""
        epoch, place = divmod(step, self.batches_an_epoch)
        return self._epoch(epoch)[place].tolist()

    def _shuffled(self, epoch: int) -> list[Int64[np.ndarray, " _"]]:
        rng = generator(self._seed, "order", epoch)
        batches = [
            batch
            for clips, count in self._buckets
            for batch in np.array_split(rng.permutation(clips), count)
        ]
        return [batches[place] for place in rng.permutation(len(batches))]


def _buckets(
    durations_s: Float64[np.ndarray, " clips"], batch_s: float
) -> list[tuple[Int64[np.ndarray, " _"], int]]:
    """Return (clips of like length, batches to cut them into), shortest clips first."""
    by_length = np.argsort(durations_s, kind="stable")
    share = np.cumsum(durations_s[by_length])
    buckets = min(MOST_BUCKETS, max(1, int(share[-1] / (batch_s * BATCHES_A_BUCKET))))
    # Equal seconds a bucket, not equal clips: batches are counted in seconds.
    cuts = np.searchsorted(share, share[-1] * np.arange(1, buckets) / buckets)
    cut = [clips for clips in np.split(by_length, cuts) if len(clips)]
    return [(clips, _batches(len(clips), float(durations_s[clips[-1]]), batch_s)) for clips in cut]


def _batches(clips: int, longest_s: float, batch_s: float) -> int:
    return math.ceil(clips / max(1, int(batch_s / longest_s)))


def load_batch(
    examples: Sequence[Example], sample_rate: int, max_clip_s: float, *, seed: int, step: int
) -> Batch:
    """Decode clips and pad them to one length.

    Longer clips than `max_clip_s` seconds are cropped, at a place drawn from (seed, step, clip id);
    a window of a file is cropped within itself.

    Raises:
        AudioError: a clip cannot be decoded any more; the message has its path.
    """
    waves = [_cropped(example, sample_rate, max_clip_s, seed, step) for example in examples]
    wave, lengths = pad(waves)
    seeds = tuple(derived_seed(seed, "augment", step, example.id) for example in examples)
    return Batch(tuple(examples), wave, lengths, seeds)


def _cropped(
    example: Example, sample_rate: int, max_clip_s: float, seed: int, step: int
) -> Float32[np.ndarray, " samples"]:
    spare_s = example.duration_s - max_clip_s
    if spare_s <= 0:
        return as_wave(span_of(example), sample_rate)
    start_s = example.start_s + generator(seed, "crop", step, example.id).uniform(0.0, spare_s)
    return audio.load(example.path, sample_rate, start_s=start_s, duration_s=max_clip_s)


def prefetch(load: Callable[[int], B], steps: Sequence[int], workers: int) -> Generator[B]:
    """Yield `load(step)` for each step, in order, with up to `workers` being loaded meanwhile."""
    if workers == 0:
        yield from map(load, steps)
        return
    waiting: deque[Future[B]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="loader") as pool:
        try:
            for step in steps:
                waiting.append(pool.submit(load, step))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
