"""How many steps a number of audio-seconds are: equal budgets for arms with unequal clips."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from earmark.pretrain.config import PretrainConfig
from earmark.pretrain.data.sampler import Order
from earmark.records import Example


def order_of(train: Sequence[Example], config: PretrainConfig, *, seed: int) -> Order:
    """Return the order in which clips are learnt from. Raises as `Order`."""
    return Order(_heard_s(train, config), config.batch_s, seed=seed)


def within_budget(
    config: PretrainConfig, train: Sequence[Example], *, processes: int, seed: int
) -> PretrainConfig:
    """Return settings with as many steps as `audio_s` is, at least one; as they are without it.

    A micro-batch counts with the mean over an epoch, so the audio heard may miss the budget by a
    part of a step, and within the first epoch by its unevenness. Raises as `Order`.
    """
    if not config.audio_s:
        return config
    batches = order_of(train, config, seed=seed).batches_an_epoch
    step_s = sum(_heard_s(train, config)) / batches * config.accumulate * processes
    return msgspec.structs.replace(config, steps=max(1, round(config.audio_s / step_s)))


def _heard_s(train: Sequence[Example], config: PretrainConfig) -> list[float]:
    return [min(clip.duration_s, config.max_clip_s) for clip in train]
