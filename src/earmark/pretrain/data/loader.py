"""Clips to padded batches of waves and targets, loaded ahead of time.

Threads decode the clips (libsndfile and soxr release the interpreter's lock). Decoded clips are not
cached: one core decodes FLAC a thousand times faster than real time, several times faster than
training needs.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from earmark import audio
from earmark.pretrain.seeds import derive_seed, seeded_rng
from earmark.records import AudioSpan, Example, audio_span

AudioInput = str | Path | AudioSpan | Float32[np.ndarray, " _"]
"""A file, a part of one, or a mono wave in [-1, 1]."""


def input_duration_s(sound: AudioInput, sample_rate: int) -> float:
    """Return the seconds of a file, by its header, of a span, or of a wave at `sample_rate` Hz.

    Raises:
        AudioError: the file cannot be opened.
    """
    if isinstance(sound, np.ndarray):
        return sound.size / sample_rate
    span = to_span(sound)
    if span.duration_s is not None:
        return span.duration_s
    return audio.probe(span.path).duration_s - span.start_s


def to_wave(sound: AudioInput, sample_rate: int) -> Float32[np.ndarray, " samples"]:
    """Return a file's or span's samples at `sample_rate` Hz, or a checked wave as it is.

    Raises:
        AudioError: the file cannot be decoded.
        ValueError: a wave is not a row of finite samples.
    """
    if isinstance(sound, np.ndarray):
        return _check_wave(sound, sample_rate)
    span = to_span(sound)
    return audio.load(span.path, sample_rate, start_s=span.start_s, duration_s=span.duration_s)


def to_span(file: str | Path | AudioSpan) -> AudioSpan:
    """Return a span as it is, a file as a span of its whole."""
    return file if isinstance(file, AudioSpan) else AudioSpan(str(file))


def group_by_length(durations: Sequence[float], batch_s: float) -> list[list[int]]:
    """Return places in `durations`, sorted by length and cut into groups.

    A group padded to its longest member holds at most `batch_s` seconds, or a single member.
    """
    groups: list[list[int]] = []
    for place in np.argsort(np.asarray(durations), kind="stable").tolist():
        full = not groups or durations[place] * (len(groups[-1]) + 1) > batch_s
        if full:
            groups.append([])
        groups[-1].append(place)
    return groups


def _check_wave(
    wave: Float32[np.ndarray, " _"], sample_rate: int
) -> Float32[np.ndarray, " samples"]:
    if wave.ndim != 1 or wave.size == 0 or not np.isfinite(wave).all():
        raise ValueError(
            f"a wave should be a row of finite samples at {sample_rate} Hz; one of shape "
            f"{wave.shape} was given. Average its channels, and leave out what is empty."
        )
    return wave.astype(np.float32, copy=False)


def pad_waves(
    waves: Sequence[Float32[np.ndarray, " _"]],
) -> tuple[Float32[Tensor, "batch samples"], Int64[Tensor, " batch"]]:
    """Return waves as the rows of one tensor, zeros behind the shorter ones, and their lengths."""
    lengths = [len(wave) for wave in waves]
    batch = np.zeros((len(waves), max(lengths)), dtype=np.float32)
    for row, wave in zip(batch, waves, strict=True):
        row[: len(wave)] = wave
    return torch.from_numpy(batch), torch.tensor(lengths, dtype=torch.int64)


B = TypeVar("B")

TargetFunction = Callable[[Sequence[Example], Sequence[int]], Any]
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
    targets: TargetFunction,
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
    waves = [_load_cropped(example, sample_rate, max_clip_s, seed, step) for example in examples]
    wave, lengths = pad_waves(waves)
    seeds = tuple(derive_seed(seed, "augment", step, example.id) for example in examples)
    made = targets(examples, seeds)
    if pin_memory:
        wave, lengths, made = wave.pin_memory(), lengths.pin_memory(), pin_targets(made)
    return Batch(tuple(examples), wave, lengths, seeds, made, sample_rate)


def pin_targets(targets: Any) -> Any:
    """Return targets whose tensors lie where an accelerator copies from without waiting.

    Tensors are found in tuples, lists and dataclasses; what else there is stays as it is.
    """
    return _map_tensors(targets, Tensor.pin_memory)


def _map_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple | list):
        several = cast("Sequence[Any]", value)
        return type(several)(_map_tensors(one, change) for one in several)  # pyright: ignore[reportCallIssue]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {
            field.name: _map_tensors(getattr(value, field.name), change)
            for field in dataclasses.fields(value)
        }
        return dataclasses.replace(value, **changed)
    return value


def _load_cropped(
    example: Example, sample_rate: int, max_clip_s: float, seed: int, step: int
) -> Float32[np.ndarray, " samples"]:
    spare_s = example.duration_s - max_clip_s
    try:
        if spare_s <= 0:
            return to_wave(audio_span(example), sample_rate)
        start_s = example.start_s + seeded_rng(seed, "crop", step, example.id).uniform(0.0, spare_s)
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
                    yield _wait_for(waiting.popleft())
            while waiting:
                yield _wait_for(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()


def _wait_for(future: Future[B]) -> tuple[B, float]:
    began_s = time.perf_counter()
    item = future.result()
    return item, time.perf_counter() - began_s
