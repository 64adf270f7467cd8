"""Multi-label classification: which tags of the vocabulary does a clip have? (PAPER section 2,
MTC)

The losses, each on log-odds, element by element: binary cross-entropy, focal (arXiv 1708.02002) and
asymmetric (arXiv 2009.14119). They are written on logarithms throughout: a prediction with
certainty, right or wrong, has a finite loss and a finite gradient. `truth` is 1 where the tag is
present, else 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn
from torch.nn import functional

from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.objectives.base import Loss, Meter, Objective
from earmark.pretrain.objectives.config import TagsConfig
from earmark.pretrain.objectives.metrics import MeanAveragePrecision
from earmark.pretrain.objectives.targets import ClassSpec, class_names
from earmark.records import Example


def binary_cross_entropy(
    logits: Float32[Tensor, "*shape"], truth: Float32[Tensor, "*shape"]
) -> Float32[Tensor, "*shape"]:
    """Return -log p where present, -log(1 - p) where absent, in nats; p = sigmoid(logits)."""
    return functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")


def focal_loss(
    logits: Float32[Tensor, "*shape"], truth: Float32[Tensor, "*shape"], *, gamma: float
) -> Float32[Tensor, "*shape"]:
    """Return -(1 - q)^gamma log q, where q is the probability of what is true.

    Lin et al. 2017, arXiv 1708.02002, equation 4: without the weight alpha of equation 5, in whose
    place the head starts at each tag's own frequency.

    Args:
        logits: log-odds of presence.
        truth: 1 or 0.
        gamma: 0 or more; 0 is the binary cross-entropy.
    """
    signed = torch.where(truth > 0, logits, -logits)
    return -torch.exp(gamma * functional.logsigmoid(-signed)) * functional.logsigmoid(signed)


def asymmetric_loss(
    logits: Float32[Tensor, "*shape"],
    truth: Float32[Tensor, "*shape"],
    *,
    gamma: float,
    gamma_present: float,
    margin: float,
) -> Float32[Tensor, "*shape"]:
    """Return -(1 - p)^gamma_present log p where present, -m^gamma log(1 - m) where absent.

    m = max(p - margin, 0): what is all but certainly absent weighs nothing (Ben-Baruch et al. 2020,
    arXiv 2009.14119, equations 4 to 7).

    Args:
        logits: log-odds of presence.
        truth: 1 or 0.
        gamma: exponent for absent tags, 0 or more.
        gamma_present: exponent for present tags, 0 or more.
        margin: 0 to 1; with 0 and equal exponents it is the focal loss.
    """
    present = focal_loss(logits, torch.ones_like(logits), gamma=gamma_present)
    shift = logits.new_tensor(math.log(margin) if margin else -math.inf)
    log_absent = torch.logaddexp(functional.logsigmoid(-logits), shift).clamp(max=0.0)
    # Off 0, where a power below 1 has no gradient; log_absent is 0 there.
    shifted = (torch.sigmoid(logits) - margin).clamp(min=1e-12)
    return torch.where(truth > 0, present, -shifted.pow(gamma) * log_absent)


@dataclass(frozen=True)
class TagTargets:
    """Which classes each clip carries.

    `hot` is 1 where a clip carries a class, else 0. `unseen` counts what its clips carry beside:
    values of a label field that no clip of the train split has, which nothing can be said of.
    """

    hot: Float32[Tensor, "batch tags"]
    unseen: int


class TagsObjective(Objective[TagTargets]):
    """A linear head on mean-pooled frames, and one yes-or-no question a tag.

    The loss is averaged over clips and tags. The head starts by predicting how frequent each tag
    is, so that no step is spent on learning how rare tags are (Lin et al. 2017, arXiv 1708.02002,
    section 3.3).

    Args:
        config: where the classes come from, and the form of the loss.
        dim: width of the encoder's frames.
        classes: what is predicted, each an independent class, and how frequent it is.
    """

    selects = "map"

    def __init__(self, config: TagsConfig, dim: int, classes: ClassSpec) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        self.head = nn.Linear(dim, len(classes.names))
        nn.init.normal_(self.head.weight, std=0.01)
        # Half a count keeps frequencies off 0 and 1.
        frequencies = (np.asarray(classes.counts) + 0.5) / (classes.clips + 1.0)
        log_odds = np.log(frequencies) - np.log1p(-frequencies)
        self.head.bias.data.copy_(torch.from_numpy(log_odds))
        self._ids = {name: place for place, name in enumerate(classes.names)}
        self._losses = choose_loss(config)

    def targets(self, examples: Sequence[Example], seeds: Sequence[int]) -> TagTargets:
        """Return which classes each clip carries. Nothing is drawn."""
        hot = torch.zeros(len(examples), len(self.classes.names))
        unseen = 0
        for row, example in zip(hot, examples, strict=True):
            names = set(class_names(example, self.config.label))
            known = [self._ids[name] for name in names if name in self._ids]
            row[known] = 1.0
            unseen += len(names) - len(known)
        return TagTargets(hot, unseen)

    def forward(self, encoded: Encoded, targets: TagTargets) -> Loss:
        """Return the loss in nats a clip and tag."""
        return self.loss_of(self.logits(encoded), targets)

    def loss_of(self, logits: Float32[Tensor, "batch tags"], targets: TagTargets) -> Loss:
        """Return the loss of log-odds that have been worked out."""
        hot = targets.hot.to(logits.device, non_blocking=True)
        loss = self._losses(logits, hot).mean()
        return Loss(loss, len(targets.hot), {"tags": loss.detach()})

    def meter(self) -> Meter[TagTargets]:
        """Return a meter of "loss" and "map": average precision, averaged over the tags there are.

        Where classes come from a label field, "labels_unseen" says how many of the clips' labels
        the train split does not know; they count in neither.
        """
        return TagsMeter(self)

    def logits(self, encoded: Encoded) -> Float32[Tensor, "batch tags"]:
        """Return the log-odds of each tag for each clip."""
        return self.head(encoded.pooled()).float()


class TagsMeter(Meter[TagTargets]):
    """What `TagsObjective.meter` promises."""

    def __init__(self, objective: TagsObjective) -> None:
        self._objective = objective
        self._precision = MeanAveragePrecision()
        self._loss = 0.0
        self._unseen = 0

    def add(self, encoded: Encoded, targets: TagTargets) -> None:
        """Take in a batch; its scores are kept, 5 bytes a clip and tag."""
        logits = self._objective.logits(encoded)
        loss = self._objective.loss_of(logits, targets)
        self._loss += float(loss.total) * loss.weight
        self._precision.add(logits.cpu().numpy(), targets.hot.numpy() > 0)
        self._unseen += targets.unseen

    def result(self) -> dict[str, float]:
        """Return the scores over all batches."""
        clips = self._precision.clips
        scores = {
            "loss": self._loss / clips if clips else float("nan"),
            "map": self._precision.result(),
        }
        if self._objective.config.label:
            scores["labels_unseen"] = float(self._unseen)
        return scores


def choose_loss(
    config: TagsConfig,
) -> Callable[
    [Float32[Tensor, "batch tags"], Float32[Tensor, "batch tags"]], Float32[Tensor, "batch tags"]
]:
    """Return the loss of each clip and tag as a function of log-odds and of what is true."""
    match config.loss:
        case "bce":
            return binary_cross_entropy
        case "focal":
            return partial(focal_loss, gamma=config.gamma)
        case "asymmetric":
            return partial(
                asymmetric_loss,
                gamma=config.gamma,
                gamma_present=config.gamma_present,
                margin=config.margin,
            )
