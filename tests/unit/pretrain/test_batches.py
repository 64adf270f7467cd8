from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from msgspec.structs import replace

from earmark.audio import AudioError
from earmark.config import ConfigError
from earmark.pretrain.batches import Order, load_batch, prefetch
from earmark.pretrain.waves import group_by_length
from earmark.records import Example

Make = Callable[..., list[Example]]


def lengths(count: int) -> list[float]:
    return np.random.default_rng(3).uniform(0.5, 10.0, count).tolist()


def epoch(order: Order, number: int) -> list[list[int]]:
    first = number * order.batches_an_epoch
    return [order(step) for step in range(first, first + order.batches_an_epoch)]


@pytest.mark.parametrize("count", [1, 2, 37, 500])
def test_an_epoch_holds_every_clip_once(count: int) -> None:
    order = Order(lengths(count), 60.0, seed=1)
    for number in range(3):
        clips = [clip for batch in epoch(order, number) for clip in batch]
        assert sorted(clips) == list(range(count))


def test_epochs_and_seeds_differ_and_batches_are_never_the_same_clips() -> None:
    order, other = Order(lengths(500), 60.0, seed=1), Order(lengths(500), 60.0, seed=2)
    sets = [{frozenset(batch) for batch in epoch(order, number)} for number in (0, 1)]
    assert not sets[0] & sets[1]
    assert epoch(order, 0) != epoch(other, 0)
    flat = [clip for batch in epoch(order, 0) for clip in batch]
    assert abs(np.corrcoef(flat, range(500))[0, 1]) < 0.15


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    first = Order(lengths(200), 60.0, seed=4)
    walked = [first(step) for step in range(100)]
    fresh = Order(lengths(200), 60.0, seed=4)
    assert [fresh(step) for step in (77, 3, 99, 50)] == [walked[s] for s in (77, 3, 99, 50)]


def test_batches_keep_their_size_and_waste_little() -> None:
    durations = lengths(3000)
    batches = epoch(Order(durations, 120.0, seed=0), 0)
    padded = [max(durations[clip] for clip in batch) * len(batch) for batch in batches]
    assert max(padded) <= 120.0
    assert sum(durations) / sum(padded) > 0.93
    assert min(padded) > 60.0


def test_a_clip_longer_than_a_batch_is_refused_with_the_fix() -> None:
    with pytest.raises(ConfigError, match="Set batch_s to 8"):
        Order([1.0, 7.5], 5.0, seed=0)


def test_a_crop_follows_from_seed_step_and_clip(make_examples: Make) -> None:
    clips = make_examples(4)

    def crop(step: int, seed: int = 0, of: list[Example] = clips) -> np.ndarray:
        return load_batch(of, 8000, 0.2, seed=seed, step=step).wave.numpy()

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
    (whole,) = load_batch([window], 8000, 1.0, seed=0, step=0).wave.numpy()
    np.testing.assert_array_equal(whole, wave[2000:6000])
    places: set[int] = set()
    for step in range(50):
        (crop,) = load_batch([window], 8000, 0.2, seed=0, step=step).wave.numpy()
        place = round(float(crop[0]) * 8000)
        np.testing.assert_array_equal(crop, wave[place : place + 1600])
        places.add(place)
    assert min(places) >= 2000
    assert max(places) + 1600 <= 6000
    assert len(places) > 40


def test_a_whole_file_is_read_to_its_end_whatever_its_row_says(make_examples: Make) -> None:
    (clip,) = make_examples(1)
    expected = load_batch([clip], 8000, 10.0, seed=0, step=0).wave
    rounded = replace(clip, duration_s=clip.duration_s - 0.01)
    assert torch.equal(load_batch([rounded], 8000, 10.0, seed=0, step=0).wave, expected)


def test_a_batch_is_padded_with_zeros_behind_real_lengths(make_examples: Make) -> None:
    batch = load_batch(make_examples(3), 8000, 10.0, seed=0, step=0)
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
        load_batch(clips, 8000, 1.0, seed=0, step=0)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_prefetch_keeps_the_order_and_passes_errors_on(workers: int) -> None:
    def load(step: int) -> int:
        if step == 7:
            raise ValueError("seven")
        return step * step

    assert list(prefetch(load, range(7), workers)) == [0, 1, 4, 9, 16, 25, 36]
    stream = prefetch(load, range(20), workers)
    with pytest.raises(ValueError, match="seven"):
        list(stream)


def test_groups_are_sorted_and_bounded() -> None:
    durations = [3.0, 1.0, 9.0, 2.0, 70.0]
    groups = group_by_length(durations, 10.0)
    assert groups == [[1, 3, 0], [2], [4]]
    assert group_by_length([], 10.0) == []
