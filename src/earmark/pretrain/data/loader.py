"""Clips to batches of waves and targets, ahead of time.

Clips are decoded in threads (libsndfile and soxr release the interpreter's lock). They are not
kept: one core decodes FLAC some thousand times faster than real time, several times what training
takes.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
from jaxtyping import Float32, Int64
from torch import Tensor

from earmark import audio
from earmark.pretrain.loading.waves import as_wave, pad
from earmark.pretrain.seeds import derived_seed, generator
from earmark.records import Example, span_of

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
        pin_memory: whether waves and targets lie where an accelerator copies from without waiting.

    Raises:
        AudioError: a clip cannot be decoded any more; the message has its path.
    """
    waves = [_cropped(example, sample_rate, max_clip_s, seed, step) for example in examples]
    wave, lengths = pad(waves)
    seeds = tuple(derived_seed(seed, "augment", step, example.id) for example in examples)
    made = targets(examples, seeds)
    if pin_memory:
        wave, lengths, made = wave.pin_memory(), lengths.pin_memory(), pinned(made)
    return Batch(tuple(examples), wave, lengths, seeds, made, sample_rate)


def pinned(targets: Any) -> Any:
    """Return targets whose tensors lie where an accelerator copies from without waiting.

    Tensors are found in tuples, lists and dataclasses; what else there is stays as it is.
    """
    return _with_tensors(targets, Tensor.pin_memory)


def _with_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple | list):
        several = cast("Sequence[Any]", value)
        return type(several)(_with_tensors(one, change) for one in several)  # pyright: ignore[reportCallIssue]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {
            field.name: _with_tensors(getattr(value, field.name), change)
            for field in dataclasses.fields(value)
        }
        return dataclasses.replace(value, **changed)
    return value


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
