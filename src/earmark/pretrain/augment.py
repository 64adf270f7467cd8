"""SpecAugment: what training warps and hides of log-mel frames (Park et al., arXiv 1904.08779).

What is drawn for a clip follows from its own seed, where it falls also from its own length: not
from its neighbours in the batch, nor from padding. Only the draws are made on the CPU; they become
warps and masks on the device, which is never waited for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int
from torch import Tensor

from earmark.pretrain.config import SpecAugmentConfig
from earmark.pretrain.seeds import seeded_rng


def spec_augment(
    features: Float32[Tensor, "batch frames bins"],
    frame_lengths: Int[Tensor, " batch"],
    config: SpecAugmentConfig,
    seeds: Sequence[int],
) -> Float32[Tensor, "batch frames bins"]:
    """Warp time, then set spans of time and of mel bins to the clip's mean.

    Time masks are as many as `time_width` wants to fill `time_share` of a clip, at most
    `time_masks`; together they never hide more than that share, however short the clip. Mel masks
    are at most half of the bins wide. Frames behind a clip's length stay as they are.

    Args:
        features: log-mel frames.
        frame_lengths: real frames of each clip.
        config: how much is hidden.
        seeds: one a clip.
    """
    if config.probability == 0.0:
        return features
    chosen, warp, times, mels = _random_draws(config, seeds, features.device)
    places = torch.arange(features.shape[1], device=features.device)
    lengths = frame_lengths.unsqueeze(1)
    real = (places < lengths) & chosen
    hidden = _time_masks(times, lengths, features.shape[1], config).unsqueeze(2)
    hidden = hidden | _mel_masks(mels, features.shape[2], config).unsqueeze(1)
    mean = _clip_means(features, frame_lengths)
    if config.time_warp:
        features = _warp_time(
            features, real, _warp_sources(places, lengths, warp, config.time_warp)
        )
    return torch.where(hidden & real.unsqueeze(2), mean, features)


def _random_draws(
    config: SpecAugmentConfig, seeds: Sequence[int], device: torch.device
) -> tuple[
    Bool[Tensor, "batch 1"],
    Float32[Tensor, "batch 2"],
    Float32[Tensor, "batch 2 time_masks"],
    Float32[Tensor, "batch 2 mel_masks"],
]:
    """Return which clips are changed, and numbers from [0, 1) for warps, time and mel masks."""
    parts = [1, 2, 2 * config.time_masks, 2 * config.mel_masks]
    drawn = [seeded_rng(seed).random(sum(parts), dtype=np.float32) for seed in seeds]
    draws = torch.from_numpy(np.stack(drawn)).to(device, non_blocking=True)
    chance, warp, times, mels = draws.split(parts, dim=1)
    times = times.unflatten(1, (2, config.time_masks))
    return chance < config.probability, warp, times, mels.unflatten(1, (2, config.mel_masks))


def _warp_sources(
    places: Int[Tensor, " frames"],
    lengths: Int[Tensor, "batch 1"],
    draws: Float32[Tensor, "batch 2"],
    farthest: int,
) -> Float32[Tensor, "batch frames"]:
    """Return where each frame comes from.

    One place of (farthest, length - farthest) moves by up to `farthest` frames, the ends stay, all
    between stretches or shrinks. As in section 2 of the paper, a clip without such a place is left.
    """
    room = lengths - 1 - 2 * farthest
    pivot = farthest + draws[:, :1] * room
    moved = pivot + (2 * draws[:, 1:] - 1) * farthest
    last = lengths - 1
    before = places * (pivot / moved.clamp(min=0.5))
    after = last - (last - places) * ((last - pivot) / (last - moved).clamp(min=0.5))
    source = torch.where(places < moved, before, after)
    return torch.where(room > 0, source, places.float()).clamp(min=0)


def _warp_time(
    features: Float32[Tensor, "batch frames bins"],
    real: Bool[Tensor, "batch frames"],
    source: Float32[Tensor, "batch frames"],
) -> Float32[Tensor, "batch frames bins"]:
    """Interpolate linearly between the frames around `source`, where a frame is real."""
    batch, frames, _ = features.shape
    lower = source.long().clamp(max=frames - 1)
    upper = (lower + (source > lower)).clamp(max=frames - 1)
    first = torch.arange(batch, device=features.device).unsqueeze(1) * frames
    rows = features.flatten(0, 1)
    weight = (source - lower).unsqueeze(2)
    between = torch.lerp(rows[first + lower], rows[first + upper], weight)
    return torch.where(real.unsqueeze(2), between, features)


def _time_masks(
    draws: Float32[Tensor, "batch 2 masks"],
    lengths: Int[Tensor, "batch 1"],
    frames: int,
    config: SpecAugmentConfig,
) -> Bool[Tensor, "batch frames"]:
    share = lengths * config.time_share
    count = (share / max(config.time_width, 1)).ceil().clamp(1, max(config.time_masks, 1))
    widest = (share / count).floor().clamp(max=config.time_width)
    order = torch.arange(config.time_masks, device=lengths.device)
    return _random_spans(draws, torch.where(order < count, widest, 0), lengths, frames)


def _mel_masks(
    draws: Float32[Tensor, "batch 2 masks"], bins: int, config: SpecAugmentConfig
) -> Bool[Tensor, "batch bins"]:
    widest = min(config.mel_width, bins // 2)
    size = torch.full_like(draws[:, 0], widest)
    return _random_spans(draws, size, bins, bins)


def _random_spans(
    draws: Float32[Tensor, "batch 2 masks"],
    widest: Float32[Tensor, "batch masks"],
    lengths: Int[Tensor, "batch 1"] | int,
    size: int,
) -> Bool[Tensor, "batch size"]:
    """Return True in spans of 0 to `widest` places, each within a row's length."""
    # Float32 draws are at most 1 - 2^-24, so that no product rounds up to its bound.
    width = (draws[:, 0] * (widest + 1)).floor()
    start = (draws[:, 1] * (lengths - width + 1)).floor()
    places = torch.arange(size, device=draws.device)
    after_start = places >= start.unsqueeze(2)
    return (after_start & (places < (start + width).unsqueeze(2))).any(dim=1)


def _clip_means(
    features: Float32[Tensor, "batch frames bins"], frame_lengths: Int[Tensor, " batch"]
) -> Float32[Tensor, "batch 1 1"]:
    """Return the mean of each clip's real frames."""
    places = torch.arange(features.shape[1], device=features.device)
    behind = (places >= frame_lengths.unsqueeze(1)).unsqueeze(2)
    total = features.masked_fill(behind, 0.0).sum(dim=(1, 2))
    return (total / (frame_lengths * features.shape[2])).reshape(-1, 1, 1)
