"""How well a small decoder writes the texts of clips from an encoder's frozen frames.

Chance is what the very same texts score when they are dealt out to other clips of test: what comes
of writing as captions are written, without having heard the clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from jaxtyping import Float64

from earmark.evaluate.base import FrozenEncoder, Outcome, Task
from earmark.evaluate.config import CaptioningTaskConfig, EvaluateConfig
from earmark.evaluate.language.caption_metrics.measure import CAPTION_METRICS, caption_metrics
from earmark.evaluate.language.outcomes import Measured, Teller, weights_of
from earmark.evaluate.language.texts import Told, sides_of
from earmark.evaluate.language.writing import Ears, train_writer
from earmark.evaluate.probes.scaling import Scaling, scaling_of
from earmark.pretrain.device import pick_device
from earmark.records import Example

SCALED_CLIPS = 512
"""Clips of train whose frames say how frames are scaled, at most."""
DEALS = 5
"""Times that texts are dealt out to other clips."""


@final
class Captioning(Task):
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
        self._sides = sides_of(examples, captioning.text, captioning.where)
        self._problem = self._sides.problem("train", "validation", "test")
        self._captioning = captioning
        self._config = config

    def examples(self) -> Sequence[Example]:
        """Return the clips that have texts; none where the task cannot be measured."""
        if self._problem:
            return ()
        train, validation, test, _ = self._sides
        return (*train.examples, *validation.examples, *test.examples)

    def evaluate(self, encoder: FrozenEncoder, *, seed: int) -> Sequence[Outcome]:
        """Train on train, choose the step on validation, write for test, hold against its texts."""
        sides, settings = self._sides, self._captioning
        teller = Teller(self.name, "captioning", encoder.name, seed, sides, fitted=True)
        if self._problem:
            return teller.failed(CAPTION_METRICS, self._problem)
        scaling = frame_scaling(encoder, self._sides.train.examples)
        if not (np.isfinite(scaling.mean).all() and np.isfinite(scaling.deviation).all()):
            return teller.failed(CAPTION_METRICS, "features not finite")
        ears = Ears(
            encoder.frames, scaling, pick_device(self._config.device, setting="evaluate.device")
        )
        writer = train_writer(
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
        weights = weights_of(self.name, sides.test, self._config.bootstrap, seed)
        chosen = f"step {writer.step}"
        return [
            teller.outcome(found, chosen=chosen, validation=writer.loss)
            for found in measure(written, sides.test, weights, seed)
        ]


def frame_scaling(encoder: FrozenEncoder, examples: Sequence[Example]) -> Scaling:
    """Return the mean and deviation of each dimension over frames of clips spread over `examples`.

    Not finite where a frame is not.
    """
    stride = -(-len(examples) // SCALED_CLIPS)
    frames = encoder.frames(examples[::stride])
    return scaling_of(frames.values[frames.mask])


def measure(
    written: Sequence[str],
    told: Told,
    weights: Sequence[Float64[np.ndarray, "_ clips"]],
    seed: int,
) -> list[Measured]:
    """Return every metric of `CAPTION_METRICS`, in order.

    Args:
        written: one text a clip.
        told: clips and their own texts.
        weights: how often each clip is in each resample, in blocks.
        seed: of dealing texts out to other clips.
    """
    dealt = [
        [metric.value() for metric in caption_metrics(texts, told.texts)]
        for texts in _deals(written, seed)
    ]
    return [
        Measured(
            metric=metric.name,
            value=metric.value(),
            chance=float(chance),
            candidates=0,
            resampled=np.concatenate([metric.measure(block) for block in weights]),
        )
        for metric, chance in zip(
            caption_metrics(written, told.texts), np.mean(dealt, axis=0), strict=True
        )
    ]


def _deals(written: Sequence[str], seed: int) -> list[list[str]]:
    """Return the texts in other orders: each clip has that of another, a random distance away."""
    rng = np.random.default_rng(seed)
    order: list[int] = rng.permutation(len(written)).tolist()
    shifts: list[int] = rng.integers(1, len(written), size=DEALS).tolist()
    deals: list[list[str]] = []
    for shift in shifts:
        dealt = dict(zip(order, [*order[shift:], *order[:shift]], strict=True))
        deals.append([written[dealt[clip]] for clip in range(len(written))])
    return deals
