"""SpecAugment: seeds decide, shares are kept, and nothing behind a clip's end is touched."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from earmark.pretrain.augment import spec_augment
from earmark.pretrain.config import SpecAugmentConfig

PAPER = SpecAugmentConfig(
    probability=0.9,
    time_warp=80,
    time_masks=10,
    time_width=100,
    time_share=0.15,
    mel_masks=2,
    mel_width=27,
)
BINS = 80


def changed(config: SpecAugmentConfig, **keys: float) -> SpecAugmentConfig:
    return SpecAugmentConfig(**{name: getattr(config, name) for name in FIELDS} | keys)


FIELDS = PAPER.__struct_fields__
ALWAYS = changed(PAPER, probability=1.0)
MASKS = changed(ALWAYS, time_warp=0)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def one(features: Tensor, config: SpecAugmentConfig, seed: int, length: int = 0) -> Tensor:
    lengths = torch.tensor([length or len(features)])
    return spec_augment(features[None], lengths, config, [seed])[0]


def spans(hidden: Tensor) -> list[int]:
    """Return the widths of the runs of True."""
    edges = torch.diff(hidden.int(), prepend=torch.zeros(1), append=torch.zeros(1))
    starts, ends = (edges > 0).nonzero(), (edges < 0).nonzero()
    return (ends - starts).flatten().tolist()


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(0, 2**63 - 1)), min_size=1, max_size=4))
def test_a_clip_is_the_same_alone_and_among_others(clips: list[tuple[int, int]]) -> None:
    widest = max(length for length, _ in clips) + 7
    features = noise(len(clips), widest, BINS)
    lengths = torch.tensor([length for length, _ in clips])
    before = features.clone()
    together = spec_augment(features, lengths, ALWAYS, [seed for _, seed in clips])
    assert torch.equal(features, before)
    for row, (length, seed) in enumerate(clips):
        alone = one(features[row, :length], ALWAYS, seed)
        torch.testing.assert_close(together[row, :length], alone)
        assert torch.equal(together[row, length:], before[row, length:])


def test_what_lies_behind_a_clip_is_neither_read_nor_written() -> None:
    features = noise(1, 400, BINS)
    features[:, 300:] = torch.nan
    for seed in range(20):
        augmented = spec_augment(features, torch.tensor([300]), ALWAYS, [seed])
        assert augmented[:, :300].isfinite().all()
        assert augmented[:, 300:].isnan().all()


@given(
    frames=st.integers(1, 3000),
    seed=st.integers(0, 2**63 - 1),
    masks=st.integers(0, 12),
    width=st.integers(0, 150),
    share=st.floats(0.0, 1.0),
)
def test_time_masks_keep_to_their_number_width_and_share(
    frames: int, seed: int, masks: int, width: int, share: float
) -> None:
    config = changed(MASKS, time_masks=masks, time_width=width, time_share=share, mel_masks=0)
    features = noise(frames, 4)
    hidden = (one(features, config, seed) != features).any(dim=1)
    assert hidden.sum() <= share * frames + 1e-3
    assert hidden.sum() <= masks * width
    assert len(spans(hidden)) <= masks


@given(seed=st.integers(0, 2**63 - 1), masks=st.integers(0, 4), width=st.integers(0, 60))
def test_mel_masks_keep_to_their_number_and_width(seed: int, masks: int, width: int) -> None:
    config = changed(MASKS, time_masks=0, mel_masks=masks, mel_width=width)
    features = noise(50, BINS)
    hidden = (one(features, config, seed) != features).all(dim=0)
    assert hidden.sum() <= masks * min(width, BINS // 2)
    assert len(spans(hidden)) <= masks


def test_masks_are_of_every_width_and_everywhere() -> None:
    """Over many seeds: the widest mask comes, no mask comes, and both ends are reached."""
    config = changed(MASKS, time_masks=1, time_width=20, time_share=1.0, mel_masks=0)
    features = noise(60, 4)
    hidden = torch.stack([(one(features, config, s) != features).any(dim=1) for s in range(400)])
    assert set(hidden.sum(dim=1).tolist()) == set(range(21))
    assert hidden.any(dim=0).all()


def test_a_long_clip_is_hidden_up_to_its_share() -> None:
    features = noise(1000, BINS)
    config = changed(MASKS, mel_masks=0)
    shares = [
        float((one(features, config, s) != features).any(dim=1).float().mean()) for s in range(200)
    ]
    assert 0.05 < np.mean(shares) < 0.10
    assert 0.12 < max(shares) <= 0.15


@pytest.mark.parametrize("probability", [0.0, 0.9, 1.0])
def test_as_many_clips_are_changed_as_probability_says(probability: float) -> None:
    features = noise(300, BINS).expand(400, 300, BINS)
    config = changed(PAPER, probability=probability)
    augmented = spec_augment(features, torch.full((400,), 300), config, range(400))
    share = float((augmented != features).flatten(1).any(dim=1).float().mean())
    assert abs(share - probability) < 0.05
    assert probability > 0 or torch.equal(augmented, features)


def test_what_is_hidden_is_the_mean_of_the_real_frames() -> None:
    features = noise(300, BINS) - 6
    features[200:] = 100.0
    augmented = one(features, MASKS, 3, length=200)
    hidden = augmented != features
    assert hidden.any()
    torch.testing.assert_close(augmented[hidden], features[:200].mean().expand(int(hidden.sum())))


def warped_ramp(frames: int, seed: int, width: int = 80) -> Tensor:
    """Return where each frame of a clip came from."""
    ramp = torch.arange(frames, dtype=torch.float32).unsqueeze(1).expand(frames, 4)
    config = changed(ALWAYS, time_warp=width, time_masks=0, mel_masks=0)
    return one(ramp, config, seed)[:, 0]


@given(frames=st.integers(1, 2000), seed=st.integers(0, 2**63 - 1), width=st.integers(1, 100))
def test_a_warp_keeps_the_ends_and_the_order_and_moves_no_place_too_far(
    frames: int, seed: int, width: int
) -> None:
    source = warped_ramp(frames, seed, width)
    identity = torch.arange(frames, dtype=torch.float32)
    assert abs(float(source[0])) < 1e-3
    assert abs(float(source[-1]) - (frames - 1)) < 1e-2
    assert (source.diff() >= -1e-3).all()
    assert (source - identity).abs().max() <= width + 1e-2
    if frames <= 2 * width + 1:
        assert torch.equal(source, identity)


def test_a_warp_has_two_speeds_and_goes_both_ways() -> None:
    moves: list[float] = []
    for seed in range(50):
        source = warped_ramp(500, seed)
        speeds = source.diff()
        bends = (speeds.diff().abs() > 1e-3).nonzero()
        assert len(bends) <= 2
        shift = source - torch.arange(500)
        moves.append(float(shift[shift.abs().argmax()]))
    assert min(moves) < -30
    assert max(moves) > 30


def test_another_seed_is_another_mask() -> None:
    features = noise(300, BINS)
    assert torch.equal(one(features, ALWAYS, 7), one(features, ALWAYS, 7))
    assert not torch.equal(one(features, ALWAYS, 7), one(features, ALWAYS, 8))
