"""(seed, index) to a batch of clips, without state.

Clips are sorted into buckets of like length, once. In each epoch every bucket is shuffled, cut into
batches of nearly equal size, and the batches of all buckets are shuffled. An epoch always has the
same number of batches, so the batch of any index follows from the seed and the index by arithmetic:
a resumed run goes on in the middle of an epoch without replaying it, no clip comes twice, and
processes that take different indices have different clips.

Clips are decoded in threads (libsndfile and soxr release the interpreter's lock). They are not
kept: one core decodes FLAC some thousand times faster than real time, several times what training
takes.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32, Float64, Int64, Num
from torch import Tensor

from earmark import audio
from earmark.config import ConfigError
from earmark.pretrain.loading.waves import as_wave, pad
from earmark.pretrain.randomness import derived_seed, generator
from earmark.records import Example, span_of

BATCHES_A_BUCKET = 2
"""At least so many: in smaller buckets the same clips would meet in a batch each time."""
MOST_BUCKETS = 128
PADDING_SHARE = 0.04
"""Fewer buckets mix clips better; so many are made that no more than this is padding."""
KEPT_EPOCHS = 2
"""Loaders of batches on both sides of an epoch's end take turns."""

B = TypeVar("B")
Targets = Callable[[Sequence[Example], Sequence[int]], Any]
"""(examples, one seed a clip) to an objective's targets."""


@dataclass(frozen=True)
class Batch:
    """Clips of one micro-batch.

    `wave` holds samples in [-1, 1] at `sample_rate` Hz, zeros behind each row's `lengths`; `seeds`
    one number a clip, fixed by (seed, step, clip id), from which its augmentation follows;
    `targets` what the objective made of the examples.
    """

    examples: tuple[Example, ...]
    wave: Float32[Tensor, "batch samples"]
    lengths: Int64[Tensor, " batch"]
    seeds: tuple[int, ...]
    targets: Any
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """Real seconds of audio, padding left out."""
        return float(self.lengths.sum()) / self.sample_rate

    @property
    def padding_share(self) -> float:
        """The share of the samples in `wave` that are padding."""
        return 1.0 - float(self.lengths.sum()) / self.wave.numel()


class Order:
    """Which clips make up the micro-batch of an index.

    Args:
        durations_s: of the clips, after cropping.
        batch_s: seconds a batch may hold, padding included.
        seed: of all shuffling.

    Attributes:
        batches_an_epoch: indices that together hold every clip once.

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
        self._buckets = _buckets(durations, batch_s)
        self.batches_an_epoch = sum(count for _, count in self._buckets)
        self._epochs: OrderedDict[int, _Epoch] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, index: int) -> list[int]:
        """Return the places of the clips of micro-batch 0, 1, ... over all processes."""
        number, place = divmod(index, self.batches_an_epoch)
        return self._epoch(number).batch(place)

    def epoch(self, index: int) -> float:
        """Return how many epochs are done when micro-batch `index` begins."""
        return index / self.batches_an_epoch

    def _epoch(self, number: int) -> _Epoch:
        # One loader thread shuffles, the others wait for it.
        with self._lock:
            if number not in self._epochs:
                self._epochs[number] = self._shuffled(number)
            self._epochs.move_to_end(number)
            while len(self._epochs) > KEPT_EPOCHS:
                self._epochs.popitem(last=False)
            return self._epochs[number]

    def _shuffled(self, number: int) -> _Epoch:
        rng = generator(self._seed, "order", number)
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


def _buckets(
    durations_s: Float64[np.ndarray, " clips"], batch_s: float
) -> list[tuple[Num[np.ndarray, " _"], int]]:
    """Return (clips of like length, batches to cut them into), shortest clips first."""
    # Sixteen bits are sorted in linear time, and in the same order on every machine.
    coarse = (durations_s * (65535 / durations_s.max())).astype(np.uint16)
    by_length = np.argsort(coarse, kind="stable")
    if len(durations_s) < 2**31:
        by_length = by_length.astype(np.int32)
    cuts = _cuts(durations_s[by_length], batch_s)
    cut = [clips for clips in np.split(by_length, cuts) if len(clips)]
    return [
        (clips, _batches(len(clips), float(durations_s[clips].max()), batch_s)) for clips in cut
    ]


def _cuts(sorted_s: Float64[np.ndarray, " clips"], batch_s: float) -> Int64[np.ndarray, " _"]:
    """Return where buckets part: the fewest that are as good as PADDING_SHARE, or the most."""
    share = np.cumsum(sorted_s)
    most = min(MOST_BUCKETS, max(1, int(share[-1] / (batch_s * BATCHES_A_BUCKET))))
    cuts = np.zeros(0, dtype=np.int64)
    for buckets in range(1, most + 1):
        # Equal seconds a bucket, not equal clips: batches are counted in seconds.
        cuts = np.searchsorted(share, share[-1] * np.arange(1, buckets) / buckets)
        ends = np.append(cuts, len(sorted_s))
        padded_s = np.diff(ends, prepend=0) @ sorted_s[np.maximum(ends - 1, 0)]
        if share[-1] >= (1 - PADDING_SHARE) * padded_s:
            break
    return cuts


def _batches(clips: int, longest_s: float, batch_s: float) -> int:
    return math.ceil(clips / max(1, int(batch_s / longest_s)))


def load_batch(
    examples: Sequence[Example],
    sample_rate: int,
    max_clip_s: float,
    targets: Targets,
    *,
    seed: int,
    step: int,
    pin_memory: bool = False,
) -> Batch:
    """Decode clips, pad them to one length, and make their targets.

    Longer clips than `max_clip_s` seconds are cropped, at a place drawn from (seed, step, clip id);
    a window of a file is cropped within itself.

    Args:
        examples: the clips.
        sample_rate: of the waves, Hz.
        max_clip_s: the longest that a clip may be, seconds.
        targets: an objective's, of (examples, one seed a clip).
        seed: of all that is drawn.
        step: the number that tells one time that a clip is heard from another.
        pin_memory: whether the waves lie where an accelerator copies from without waiting.

    Raises:
        AudioError: a clip cannot be decoded any more; the message has its path.
    """
    waves = [_cropped(example, sample_rate, max_clip_s, seed, step) for example in examples]
    wave, lengths = pad(waves)
    seeds = tuple(derived_seed(seed, "augment", step, example.id) for example in examples)
    if pin_memory:
        wave, lengths = wave.pin_memory(), lengths.pin_memory()
    made = targets(examples, seeds)
    return Batch(tuple(examples), wave, lengths, seeds, made, sample_rate)


def _cropped(
    example: Example, sample_rate: int, max_clip_s: float, seed: int, step: int
) -> Float32[np.ndarray, " samples"]:
    spare_s = example.duration_s - max_clip_s
    try:
        if spare_s <= 0:
            return as_wave(span_of(example), sample_rate)
        start_s = example.start_s + generator(seed, "crop", step, example.id).uniform(0.0, spare_s)
        return audio.load(example.path, sample_rate, start_s=start_s, duration_s=max_clip_s)
    except Exception as error:
        error.add_note(f"while loading clip {example.id} from {example.path}")
        raise


def prefetch(
    load: Callable[[int], B], indices: Iterable[int], workers: int
) -> Generator[tuple[B, float]]:
    """Yield (`load(index)`, seconds that the caller waited for it) for each index, in order.

    Up to `workers` threads load ahead, at most one item a thread and one more; with 0 it is done
    in between. An error of `load` is raised where its item would have come. Closing the generator
    calls off what has not begun, and waits for what has.
    """
    if workers == 0:
        for index in indices:
            began_s = time.perf_counter()
            item = load(index)
            yield item, time.perf_counter() - began_s
        return
    waiting: deque[Future[B]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="loader") as pool:
        try:
            for index in indices:
                waiting.append(pool.submit(load, index))
                if len(waiting) > workers:
                    yield _awaited(waiting.popleft())
            while waiting:
                yield _awaited(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()


def _awaited(future: Future[B]) -> tuple[B, float]:
    began_s = time.perf_counter()
    item = future.result()
    return item, time.perf_counter() - began_s
