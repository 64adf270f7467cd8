"""Scores on the validation split."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from earmark.pretrain.config import PretrainConfig
from earmark.pretrain.data.loader import Batch, group_by_length, load_batch, prefetch
from earmark.pretrain.device import autocast
from earmark.pretrain.encoders.base import Encoded, Encoder
from earmark.pretrain.objectives.base import Objective
from earmark.records import Example

VALIDATION_STEP = -1
"""The step of every pass: long clips are heard at one place, the same each time."""


class Validation:
    """The clips of the validation split, and how they are heard.

    Args:
        clips: all of them; each comes once in a pass.
        config: how long clips and batches may be, and on what they are computed.
        device: where the modules are.
        seed: of the places that long clips are heard at.
    """

    def __init__(
        self,
        clips: Sequence[Example],
        config: PretrainConfig,
        device: torch.device,
        *,
        seed: int,
    ) -> None:
        self._clips, self._config, self._device, self._seed = clips, config, device, seed
        durations_s = [min(clip.duration_s, config.max_clip_s) for clip in clips]
        self._groups = group_by_length(durations_s, config.batch_s)

    # Not inference_mode: what a module keeps from then on, such as a table of positions, could not
    # be used in training.
    @torch.no_grad()
    def scores(
        self, encoder: Encoder, objective: Objective[Any], asked: Callable[[], int]
    ) -> dict[str, float] | None:
        """Return "loss" and the objective's own scores; both modules are left as they came.

        None where `asked` told, between two batches, that the process should stop.
        """
        were_training = encoder.training, objective.training
        encoder.eval()
        objective.eval()
        try:
            with autocast(self._device, self._config.precision):
                return objective.measure(self._batches(encoder, objective, asked))
        except _Interrupted:
            return None
        finally:
            encoder.train(were_training[0])
            objective.train(were_training[1])

    def _batches(
        self, encoder: Encoder, objective: Objective[Any], asked: Callable[[], int]
    ) -> Iterator[tuple[Encoded, Any]]:
        def load(group: int) -> Batch:
            return load_batch(
                [self._clips[place] for place in self._groups[group]],
                encoder.sample_rate,
                self._config.max_clip_s,
                objective.targets,
                seed=self._seed,
                step=VALIDATION_STEP,
            )

        groups = prefetch(load, range(len(self._groups)), self._config.workers)
        with contextlib.closing(groups):
            for batch, _ in groups:
                if asked():
                    raise _Interrupted
                wave, lengths = batch.wave.to(self._device), batch.lengths.to(self._device)
                yield encoder(wave, lengths), batch.targets


class _Interrupted(Exception):  # noqa: N818
    """The process was asked to stop."""


def is_better(score: float, best: float | None, selects: str) -> bool:
    """Tell whether a score is the best so far: of "loss" the lowest, of any other the highest.

    One that is not a number is never.
    """
    if math.isnan(score):
        return False
    return best is None or (score < best if selects == "loss" else score > best)
