"""Attentive probes: multi-head attention pooling over frames ("MHA pooling" of arXiv 2603.25767).

The classifier has one learned query, then a linear layer. Attention is that of Vaswani et al. 2017
(arXiv 1706.03762), the query a parameter as in the pooling of Set Transformer (Lee et al. 2019,
arXiv 1810.00825). No frame needs a key or a value of its own: a head's query times its key matrix
is one vector that all frames are compared with, and its value matrix is applied once, to the
weighted mean. That is the same function for a fraction of the work.

Frames are standardized by the mean and deviation of train's. The classifier is trained with AdamW
(arXiv 1711.05101) once for each learning rate of the grid; of all learning rates and of all
validation checks, the state with the best metric is kept, of equals the one under which
validation's labels are likeliest. First weights and the order of batches are drawn
`evaluate.repeats` times.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64
from torch import Tensor, nn
from torch.nn import functional

from earmark.evaluate.base import Frames, FrozenEncoder
from earmark.evaluate.config import EvaluateConfig
from earmark.evaluate.metrics import get_metric
from earmark.evaluate.probes.base import (
    NOT_CONVERGED,
    NOT_FINITE,
    Prediction,
    Probe,
    ProbeData,
    ProbeError,
    fit_standardizer,
)
from earmark.evaluate.probes.linear import log_likelihood
from earmark.pretrain.device import pick_device


class AttentivePoolingClassifier(nn.Module):
    """Frames to class logits. At first each head is the mean over time, and every logit 0.

    Args:
        dim: of a frame.
        classes: logits.
        heads: at most `dim`; each has dim / heads dimensions, rounded up.
        generator: of the first key and value matrices.
    """

    def __init__(self, dim: int, classes: int, heads: int, generator: torch.Generator) -> None:
        super().__init__()
        heads = min(heads, dim)
        width = -(-dim // heads)
        matrices = torch.randn(2, heads, width, dim, generator=generator) / dim**0.5
        self.query = nn.Parameter(torch.zeros(heads, width))
        self.key = nn.Parameter(matrices[0])
        self.value = nn.Parameter(matrices[1])
        self.output = nn.Linear(heads * width, classes)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(
        self, frames: Float[Tensor, "batch frames dim"], mask: Bool[Tensor, "batch frames"]
    ) -> Float[Tensor, "batch classes"]:
        """Return logits.

        Args:
            frames: finite, also where there is none.
            mask: True where a frame is real, at least once a clip.
        """
        asked = torch.einsum("hw,hwd->hd", self.query, self.key) / self.query.shape[1] ** 0.5
        likeness = (frames @ asked.T).masked_fill(~mask[:, :, None], -torch.inf)
        means = likeness.softmax(dim=1).transpose(1, 2) @ frames
        return self.output(torch.einsum("bhd,hwd->bhw", means, self.value).flatten(1))


LEARNING_RATES = (0.001, 0.003, 0.01)

WEIGHT_DECAY = 0.01

HEADS = 8

BATCH_SIZE = 128

MIN_STEPS = 200

MIN_EPOCHS = 10
"""Training takes STEPS batches, or as many as PASSES over train are."""

VALIDATION_CHECKS = 20
"""Times that validation is looked at on the way."""

PATIENCE = 5
"""Looks in a row without a better one, after which a learning rate is given up."""


class AttentiveProbe(Probe):
    """Multi-head attention pooling and a linear layer on frozen frames.

    Args:
        config: how many draws, and the device.
    """

    name = "attentive"
    needs_frames = True

    def __init__(self, config: EvaluateConfig) -> None:
        self.config = config

    def answers(
        self, encoder: FrozenEncoder, question: ProbeData, *, seed: int
    ) -> Sequence[Prediction]:
        """Return one answer a draw of first weights."""
        device = pick_device(self.config.device, setting="evaluate.device")
        train, validation, test = _standardize(
            encoder.frames(question.train.examples),
            encoder.frames(question.validation.examples),
            encoder.frames(question.test),
        )
        fitting = _Trainer(question, train, validation, device)
        found: list[Prediction] = []
        for draw in range(self.config.repeats):
            best = fitting.best(draw_seed(seed, draw))
            found.append(
                Prediction(
                    scores=_predict_logits(best.model, test, device),
                    chosen=f"lr = {best.lr:g}",
                    validation=best.metric,
                    train_clips=len(question.train.examples),
                    validation_clips=len(question.validation.examples),
                )
            )
        return found


def draw_seed(seed: int, draw: int) -> int:
    """Return a seed for torch that no other (seed, draw) has, up to chance."""
    return int(np.random.SeedSequence((seed, draw)).generate_state(1, np.uint64)[0] >> 1)


@dataclass(frozen=True)
class _SplitTensors:
    """Scaled frames, 0 where there is none."""

    frames: Float32[Tensor, "clips frames dim"]
    mask: Bool[Tensor, "clips frames"]

    def rows(
        self, chosen: Tensor | slice, device: torch.device
    ) -> tuple[Float32[Tensor, "batch frames dim"], Bool[Tensor, "batch frames"]]:
        return self.frames[chosen].to(device), self.mask[chosen].to(device)


@dataclass(frozen=True)
class _Checkpoint:
    """A model as it was when validation was looked at."""

    model: AttentivePoolingClassifier
    lr: float
    metric: float
    likelihood: float

    @property
    def rank(self) -> tuple[float, float]:
        return self.metric, self.likelihood


@dataclass(frozen=True)
class _Trainer:
    """Training on one side, looking at another."""

    question: ProbeData
    train: _SplitTensors
    validation: _SplitTensors
    device: torch.device

    def best(self, seed: int) -> _Checkpoint:
        """Return the best look of all learning rates, each begun from the same weights."""
        looks = [look for lr in LEARNING_RATES for look in self._best_of(lr, seed)]
        if not looks:
            raise ProbeError(NOT_CONVERGED)
        return max(looks, key=lambda look: look.rank)

    def _best_of(self, lr: float, seed: int) -> list[_Checkpoint]:
        """Return the best look of one learning rate, none where its logits left all bounds."""
        best: list[_Checkpoint] = []
        waited = 0
        for model in self._trained(lr, seed):
            look = self._look(model, lr)
            if not np.isfinite(look.likelihood):
                break
            waited += 1
            if not best or look.rank > best[0].rank:
                best, waited = [look], 0
            if waited == PATIENCE:
                break
        return best

    def _trained(self, lr: float, seed: int) -> Iterator[AttentivePoolingClassifier]:
        """Train, and yield the model whenever it is to be looked at."""
        generator = torch.Generator().manual_seed(seed)
        targets = self._targets()
        dim, classes = self.train.frames.shape[2], self.question.train.targets.shape[1]
        model = AttentivePoolingClassifier(dim, classes, HEADS, generator).to(self.device)
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=lr, weight_decay=WEIGHT_DECAY, fused=True
        )
        batches = list(_batches(len(targets), generator))
        for step, rows in enumerate(batches, start=1):
            logits = model(*self.train.rows(rows, self.device))
            loss = self._loss(logits, targets[rows].to(self.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % max(len(batches) // VALIDATION_CHECKS, 1) == 0:
                yield model

    def _targets(self) -> Tensor:
        targets = torch.from_numpy(self.question.train.targets)
        return targets.float() if self.question.one_vs_rest else targets.int().argmax(dim=1)

    def _loss(self, logits: Float32[Tensor, "batch classes"], targets: Tensor) -> Tensor:
        if self.question.one_vs_rest:
            return functional.binary_cross_entropy_with_logits(logits, targets)
        return functional.cross_entropy(logits, targets)

    def _look(self, model: AttentivePoolingClassifier, lr: float) -> _Checkpoint:
        truth = self.question.validation.targets
        scores = _predict_logits(model, self.validation, self.device)
        if not np.isfinite(scores).all():
            return _Checkpoint(model, lr, -np.inf, -np.inf)
        return _Checkpoint(
            copy.deepcopy(model),
            lr,
            get_metric(self.question.metric).value(scores, truth),
            log_likelihood(scores, truth, self.question.one_vs_rest),
        )


def _batches(clips: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the rows of batches of nearly equal size, in a new order each pass."""
    count = -(-clips // BATCH_SIZE)
    for _ in range(max(MIN_EPOCHS, -(-MIN_STEPS // count))):
        yield from torch.randperm(clips, generator=generator).chunk(count)


def _standardize(*sides: Frames) -> tuple[_SplitTensors, ...]:
    """Return all sides on the scale of the first. Raises ProbeError."""
    for side in sides:
        if not np.isfinite(side.values[side.mask]).all():
            raise ProbeError(NOT_FINITE)
        if not side.mask.any(axis=1).all():
            raise ProbeError("a clip has no frames")
    scaling = fit_standardizer(sides[0].values[sides[0].mask])
    mean, deviation = scaling.mean.astype(np.float32), scaling.deviation.astype(np.float32)
    scaled: list[_SplitTensors] = []
    for side in sides:
        with np.errstate(over="ignore"):
            values = (side.values - mean) / deviation
        values[~side.mask] = 0
        if not np.isfinite(values).all():
            raise ProbeError(NOT_FINITE)
        scaled.append(_SplitTensors(torch.from_numpy(values), torch.from_numpy(side.mask)))
    return tuple(scaled)


def _predict_logits(
    model: AttentivePoolingClassifier, side: _SplitTensors, device: torch.device
) -> Float64[np.ndarray, "clips classes"]:
    with torch.inference_mode():
        parts = [
            model(*side.rows(slice(start, start + BATCH_SIZE), device)).cpu()
            for start in range(0, len(side.frames), BATCH_SIZE)
        ]
    return torch.cat(parts).double().numpy()
