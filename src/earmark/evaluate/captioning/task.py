"""How well a small decoder writes the texts of clips from an encoder's frozen frames.

Chance is the score of the very same texts when they are given to other test clips: what writing in
the style of captions scores without the audio.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from earmark.evaluate.base import FrozenEncoder, Outcome, Task
from earmark.evaluate.captioning.decoder import FrameReader, train_decoder
from earmark.evaluate.captioning.metrics import CAPTION_METRICS, caption_metrics
from earmark.evaluate.config import CaptioningTaskConfig, EvaluateConfig
from earmark.evaluate.probes.base import Standardizer, fit_standardizer
from earmark.evaluate.text_tasks import (
    CaptionedClips,
    MetricValue,
    Resampler,
    ResultBuilder,
    make_resampler,
    text_splits,
)
from earmark.pretrain.device import pick_device
from earmark.records import Example

CLIPS_PER_BLOCK = 512
"""Clips whose frames are looked over at a time."""
MAX_SCALING_CLIPS = 512
"""Clips of train whose frames say how frames are scaled, at most."""
SHUFFLES = 5
"""Times that texts are dealt out to other clips."""


@final
class CaptioningTask(Task):
    """Write captions, by a decoder that is trained for each encoder.

    Args:
        examples: the manifest.
        captioning: name, texts and clips of the task, and the training.
        config: resamples and device.
    """

    needs_frames = True

    def __init__(
        self, examples: Sequence[Example], captioning: CaptioningTaskConfig, config: EvaluateConfig
    ) -> None:
        self.name = captioning.name
        self._sides = text_splits(examples, captioning.text, captioning.where)
        self._problem = self._sides.problem("train", "validation", "test")
        self._captioning = captioning
        self._config = config

    def examples(self) -> Sequence[Example]:
        """Return the clips that have texts; none where the task cannot be measured."""
        return () if self._problem else self._sides.examples()

    def evaluate(self, encoder: FrozenEncoder, *, seed: int) -> Sequence[Outcome]:
        """Train on train, choose the step on validation, write for test, hold against its texts."""
        sides, settings = self._sides, self._captioning
        teller = ResultBuilder(self.name, "captioning", encoder.name, seed, sides, fitted=True)
        if self._problem:
            return teller.failed(CAPTION_METRICS, self._problem)
        if not all_frames_finite(encoder, self.examples()):
            return teller.failed(CAPTION_METRICS, "features not finite")
        device = pick_device(self._config.device, setting="evaluate.device")
        ears = FrameReader(
            encoder.frames, fit_frame_standardizer(encoder, sides.train.examples), device
        )
        writer = train_decoder(
            sides.train,
            sides.validation,
            ears,
            max_tokens=settings.max_tokens,
            steps=settings.steps,
            lr=settings.lr,
            seed=seed,
        )
        if writer.step == 0:
            return teller.failed(CAPTION_METRICS, "training did not converge")
        written = writer.write(ears, sides.test.examples)
        resample = make_resampler(self.name, sides.test, self._config.bootstrap, seed)
        chosen = f"step {writer.step}"
        return [
            teller.outcome(found, chosen=chosen, validation=writer.loss)
            for found in measure_captions(written, sides.test, resample, seed)
        ]


def all_frames_finite(encoder: FrozenEncoder, examples: Sequence[Example]) -> bool:
    """Return whether every frame of every clip is finite."""
    blocks = (
        encoder.frames(examples[start : start + CLIPS_PER_BLOCK])
        for start in range(0, len(examples), CLIPS_PER_BLOCK)
    )
    return all(bool(np.isfinite(frames.values[frames.mask]).all()) for frames in blocks)


def fit_frame_standardizer(encoder: FrozenEncoder, examples: Sequence[Example]) -> Standardizer:
    """Return mean and deviation of each dimension, over frames of clips spread over `examples`."""
    stride = -(-len(examples) // MAX_SCALING_CLIPS)
    frames = encoder.frames(examples[::stride])
    return fit_standardizer(frames.values[frames.mask])


def measure_captions(
    written: Sequence[str],
    told: CaptionedClips,
    resample: Resampler,
    seed: int,
) -> list[MetricValue]:
    """Return every metric of `CAPTION_METRICS`, in order.

    Args:
        written: one text a clip, of at least two clips.
        told: clips and their own texts.
        resample: over the clips.
        seed: of dealing texts out to other clips.
    """
    dealt = [
        [metric.value() for metric in caption_metrics(texts, told.texts)]
        for texts in _shuffle_captions(written, seed)
    ]
    metrics = caption_metrics(written, told.texts)
    resampled = resample(lambda weights: np.stack([each.measure(weights) for each in metrics]))
    chance: list[float] = np.mean(dealt, axis=0).tolist()
    return [
        MetricValue(metric.name, metric.value(), level, candidates=0, resampled=values)
        for metric, level, values in zip(metrics, chance, resampled, strict=True)
    ]


def _shuffle_captions(written: Sequence[str], seed: int) -> list[list[str]]:
    """Return the texts in other orders: each clip has that of another, a random distance away."""
    rng = np.random.default_rng(seed)
    order: list[int] = rng.permutation(len(written)).tolist()
    shifts: list[int] = rng.integers(1, len(written), size=SHUFFLES).tolist()
    deals: list[list[str]] = []
    for shift in shifts:
        dealt = dict(zip(order, [*order[shift:], *order[:shift]], strict=True))
        deals.append([written[dealt[clip]] for clip in range(len(written))])
    return deals
