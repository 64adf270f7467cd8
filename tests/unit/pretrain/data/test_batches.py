from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from earmark.audio import AudioError
from earmark.config import ConfigError
from earmark.pretrain.data.loader import Batch, group_by_length, load_batch, prefetch
from earmark.pretrain.data.sampler import BucketSampler
from earmark.records import Example
from factories import MAX_HEAVY_EXAMPLES

Make = Callable[..., list[Example]]


def no_targets(examples: Sequence[Example], seeds: Sequence[int]) -> None:
    """Objectives that need nothing but the sound have none."""


def loaded(clips: list[Example], max_clip_s: float, *, seed: int = 0, step: int = 0) -> Batch:
    return load_batch(clips, 8000, max_clip_s, no_targets, seed=seed, step=step)


def lengths(count: int) -> list[float]:
    return np.random.default_rng(3).uniform(0.5, 10.0, count).tolist()


def epoch(order: BucketSampler, number: int) -> list[list[int]]:
    first = number * order.batches_per_epoch
    return [order(step) for step in range(first, first + order.batches_per_epoch)]


@pytest.mark.parametrize("count", [1, 2, 37, 500])
def test_an_epoch_holds_every_clip_once(count: int) -> None:
    order = BucketSampler(lengths(count), 60.0, seed=1)
    for number in range(3):
        clips = [clip for batch in epoch(order, number) for clip in batch]
        assert sorted(clips) == list(range(count))


def test_epochs_and_seeds_differ_and_batches_are_never_the_same_clips() -> None:
    order, other = (
        BucketSampler(lengths(500), 60.0, seed=1),
        BucketSampler(lengths(500), 60.0, seed=2),
    )
    sets = [{frozenset(batch) for batch in epoch(order, number)} for number in (0, 1)]
    assert not sets[0] & sets[1]
    assert epoch(order, 0) != epoch(other, 0)
    flat = [clip for batch in epoch(order, 0) for clip in batch]
    assert abs(np.corrcoef(flat, range(500))[0, 1]) < 0.15


def test_a_batch_is_a_function_of_seed_and_index() -> None:
    first = BucketSampler(lengths(200), 60.0, seed=4)
    walked = [first(index) for index in range(100)]
    fresh = BucketSampler(lengths(200), 60.0, seed=4)
    assert [fresh(index) for index in (77, 3, 99, 50)] == [walked[i] for i in (77, 3, 99, 50)]


@settings(max_examples=MAX_HEAVY_EXAMPLES)
@given(
    durations=st.lists(st.floats(0.01, 30.0), min_size=1, max_size=200),
    batch_s=st.floats(30.0, 700.0),
    seed=st.integers(0, 2**31),
    world=st.integers(1, 9),
)
def test_in_an_epoch_ranks_share_no_clip_and_together_have_each_once(
    durations: list[float], batch_s: float, seed: int, world: int
) -> None:
    order = BucketSampler(durations, batch_s, seed=seed)
    for number in (0, 1):
        first = number * order.batches_per_epoch
        indices = range(first, first + order.batches_per_epoch)
        ranks = [
            [c for i in indices if i % world == rank for c in order(i)] for rank in range(world)
        ]
        assert sorted(clip for clips in ranks for clip in clips) == list(range(len(durations)))
        for index in indices:
            batch = order(index)
            assert 0 < max(durations[clip] for clip in batch) * len(batch) <= batch_s * (1 + 1e-9)


@settings(max_examples=MAX_HEAVY_EXAMPLES)
@given(seed=st.integers(0, 2**31), batch_s=st.sampled_from([60.0, 120.0, 320.0, 640.0]))
def test_little_is_padding_and_nothing_is_left_of_the_order_of_files(
    seed: int, batch_s: float
) -> None:
    rng = np.random.default_rng(seed)
    # Sorted by length: the hardest order of files to get rid of.
    durations = np.sort(np.clip(rng.lognormal(2.0, 0.8, 8000), 1.0, 30.0))
    order = BucketSampler(durations, batch_s, seed=seed)
    batches = epoch(order, 0)
    padded_s = sum(durations[batch].max() * len(batch) for batch in batches)
    assert 1 - durations.sum() / padded_s < 0.06
    # Clips of a batch are of like length, so it is batches that have to be out of order.
    places = [np.mean(batch) for batch in batches]
    assert abs(np.corrcoef(places, range(len(places)))[0, 1]) < 4.5 / np.sqrt(len(places))


@settings(max_examples=MAX_HEAVY_EXAMPLES)
@given(seed=st.integers(0, 2**31))
def test_the_order_does_not_follow_that_of_files(seed: int) -> None:
    rng = np.random.default_rng(seed)
    order = BucketSampler(np.clip(rng.lognormal(2.0, 0.8, 20_000), 1.0, 30.0), 120.0, seed=seed)
    turns = np.concatenate(epoch(order, 0))
    assert abs(np.corrcoef(turns, np.arange(len(turns)))[0, 1]) < 0.05


def test_epochs_are_counted_and_shuffled_once_however_many_threads_ask() -> None:
    order = BucketSampler(lengths(500), 60.0, seed=1)
    with ThreadPoolExecutor(8) as pool:
        indices = list(range(3 * order.batches_per_epoch))
        assert list(pool.map(order, indices)) == [order(index) for index in indices]
    assert order.epoch(0) == 0.0
    assert order.epoch(order.batches_per_epoch) == 1.0
    assert 1.0 < order.epoch(order.batches_per_epoch + 1) < 1.1


def test_lengths_may_be_an_array() -> None:
    durations = np.array(lengths(50), dtype=np.float32)
    assert epoch(BucketSampler(durations, 60.0, seed=0), 0) == epoch(
        BucketSampler(durations.tolist(), 60.0, seed=0), 0
    )


def test_no_clips_are_refused() -> None:
    with pytest.raises(ConfigError, match="no clips"):
        BucketSampler([], 5.0, seed=0)


def test_a_clip_longer_than_a_batch_is_refused_with_the_fix() -> None:
    with pytest.raises(ConfigError, match="Set batch_s to 8"):
        BucketSampler([1.0, 7.5], 5.0, seed=0)


def test_a_crop_follows_from_seed_step_and_clip(make_examples: Make) -> None:
    clips = make_examples(4)

    def crop(step: int, seed: int = 0, of: list[Example] = clips) -> np.ndarray:
        return loaded(of, 0.2, seed=seed, step=step).wave.numpy()

    assert crop(1).shape == (4, 1600)
    np.testing.assert_array_equal(crop(1), crop(1))
    np.testing.assert_array_equal(crop(1)[2:3], crop(1, of=clips[2:3]))
    assert not np.array_equal(crop(1), crop(2))
    assert not np.array_equal(crop(1), crop(1, seed=9))


def test_a_window_is_read_and_cropped_within_itself(tmp_path: Path, make_examples: Make) -> None:
    wave = np.arange(8000, dtype=np.float32) / 8000
    soundfile.write(tmp_path / "file.wav", wave, 8000, subtype="FLOAT")
    window = replace(
        make_examples(1)[0],
        path=str(tmp_path / "file.wav"),
        parent="file",
        start_s=0.25,
        duration_s=0.5,
    )
    (whole,) = loaded([window], 1.0).wave.numpy()
    np.testing.assert_array_equal(whole, wave[2000:6000])
    places: set[int] = set()
    for step in range(50):
        (crop,) = loaded([window], 0.2, step=step).wave.numpy()
        place = round(float(crop[0]) * 8000)
        np.testing.assert_array_equal(crop, wave[place : place + 1600])
        places.add(place)
    assert min(places) >= 2000
    assert max(places) + 1600 <= 6000
    assert len(places) > 40


def test_a_whole_file_is_read_to_its_end_whatever_its_row_says(make_examples: Make) -> None:
    (clip,) = make_examples(1)
    expected = loaded([clip], 10.0).wave
    rounded = replace(clip, duration_s=clip.duration_s - 0.01)
    assert torch.equal(loaded([rounded], 10.0).wave, expected)


def test_a_batch_is_padded_with_zeros_behind_real_lengths(make_examples: Make) -> None:
    batch = loaded(make_examples(3), 10.0)
    assert batch.lengths.tolist() == [round(clip.duration_s * 8000) for clip in batch.examples]
    assert batch.wave.shape[1] == max(batch.lengths)
    for wave, length in zip(batch.wave, batch.lengths, strict=True):
        assert not wave[length:].any()
        assert wave[:length].any()
    assert len(set(batch.seeds)) == 3


def test_a_vanished_clip_is_named(make_examples: Make) -> None:
    clips = make_examples(1)
    Path(clips[0].path).unlink()
    with pytest.raises(AudioError, match=r"train-0\.wav"):
        loaded(clips, 1.0)


def test_a_batch_knows_its_seconds(make_examples: Make) -> None:
    batch = loaded(make_examples(4), 10.0)
    real = sum(int((row != 0).nonzero().max()) + 1 for row in batch.wave)
    assert batch.duration_s == pytest.approx(real / 8000, abs=1e-2)


def test_targets_are_made_of_the_clips_and_their_seeds(make_examples: Make) -> None:
    def targets(examples: Sequence[Example], seeds: Sequence[int]) -> Any:
        return [(example.id, seed) for example, seed in zip(examples, seeds, strict=True)]

    clips = make_examples(3)
    batch = load_batch(clips, 8000, 10.0, targets, seed=0, step=5)
    assert batch.targets == list(zip([clip.id for clip in clips], batch.seeds, strict=True))
    other = load_batch(clips[::-1], 8000, 10.0, targets, seed=0, step=5)
    assert other.targets == batch.targets[::-1]


def test_any_error_of_a_clip_has_its_path(make_examples: Make) -> None:
    clips = make_examples(2)
    with pytest.raises(ValueError) as caught:  # noqa: PT011, soxr's own
        load_batch(clips, 0, 10.0, no_targets, seed=0, step=0)
    assert clips[0].path in "".join(caught.value.__notes__)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_prefetch_keeps_the_order_and_passes_errors_on(workers: int) -> None:
    def load(index: int) -> int:
        if index == 7:
            raise ValueError("seven")
        return index * index

    assert [item for item, _ in prefetch(load, range(7), workers)] == [0, 1, 4, 9, 16, 25, 36]
    stream = prefetch(load, range(20), workers)
    assert [next(stream)[0] for _ in range(7)] == [0, 1, 4, 9, 16, 25, 36]
    with pytest.raises(ValueError, match="seven"):
        next(stream)


@pytest.mark.parametrize("workers", [0, 2])
def test_prefetch_tells_how_long_one_waited(workers: int) -> None:
    def load(index: int) -> None:
        time.sleep(0.2 if index == 0 else 0.0)

    first, *others = (waited_s for _, waited_s in prefetch(load, range(6), workers))
    assert first > 0.1
    assert min(others) >= 0
    assert max(others) < first


def test_a_closed_prefetch_begins_nothing_more_and_leaves_no_thread() -> None:
    begun: list[int] = []

    def load(index: int) -> int:
        begun.append(index)
        time.sleep(0.01)
        return index

    before = threading.active_count()
    stream = prefetch(load, range(1000), 2)
    next(stream)
    stream.close()
    assert threading.active_count() == before
    assert len(begun) <= 4


def test_groups_are_sorted_and_bounded() -> None:
    durations = [3.0, 1.0, 9.0, 2.0, 70.0]
    groups = group_by_length(durations, 10.0)
    assert groups == [[1, 3, 0], [2], [4]]
    assert group_by_length([], 10.0) == []
