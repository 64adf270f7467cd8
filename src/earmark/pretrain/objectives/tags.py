"""Multi-tag classification: which tags of the vocabulary does a clip carry? (PAPER section 2)"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.objectives.base import Loss, Objective
from earmark.records import Example


class TagsObjective(Objective[Float32[Tensor, "batch tags"]]):
    """A linear head on mean-pooled frames, and sigmoid BCE, averaged over clips and tags.

    Args:
        dim: width of the encoder's frames.
        vocabulary_size: tags, each an independent class.
        frequencies: share of the training clips that carry each tag, within 0 and 1. Where given,
            the head starts by predicting it, so that no step is spent on learning how rare tags
            are (Lin et al. 2017, arXiv 1708.02002, section 3.3).
    """

    def __init__(
        self,
        dim: int,
        vocabulary_size: int,
        frequencies: Float[np.ndarray, " tags"] | None = None,
    ) -> None:
        super().__init__()
        self.vocabulary_size = vocabulary_size
        self.head = nn.Linear(dim, vocabulary_size)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)
        if frequencies is not None:
            log_odds = np.log(frequencies) - np.log1p(-frequencies)
            self.head.bias.data.copy_(torch.from_numpy(log_odds))

    def targets(self, examples: Sequence[Example]) -> Float32[Tensor, "batch tags"]:
        """Return 1 where a clip carries a tag, else 0."""
        return torch.from_numpy(multi_hot(examples, self.vocabulary_size))

    def forward(self, encoded: Encoded, targets: Float32[Tensor, "batch tags"]) -> Loss:
        """Return the binary cross-entropy, in nats a clip and tag."""
        logits = self.logits(encoded)
        loss = functional.binary_cross_entropy_with_logits(logits, targets.to(logits.device))
        return Loss(loss, {"tags": loss.detach()})

    def measure(
        self, batches: Iterable[tuple[Encoded, Float32[Tensor, "batch tags"]]]
    ) -> dict[str, float]:
        """Return "loss", and "map": average precision, averaged over tags that some clip has."""
        pairs = [(self.logits(encoded).cpu(), targets) for encoded, targets in batches]
        logits = torch.cat([logits for logits, _ in pairs])
        truth = torch.cat([targets for _, targets in pairs])
        loss = functional.binary_cross_entropy_with_logits(logits, truth)
        return {
            "loss": float(loss),
            "map": mean_average_precision(logits.numpy(), truth.numpy() > 0),
        }

    def logits(self, encoded: Encoded) -> Float32[Tensor, "batch tags"]:
        """Return the log-odds of each tag for each clip."""
        return self.head(encoded.pooled()).float()


def multi_hot(examples: Sequence[Example], tags: int) -> Float32[np.ndarray, "examples tags"]:
    """Return 1 where an example carries a tag, else 0."""
    hot = np.zeros((len(examples), tags), dtype=np.float32)
    for row, example in zip(hot, examples, strict=True):
        row[list(example.tag_ids)] = 1.0
    return hot


def tag_frequencies(examples: Sequence[Example], tags: int) -> Float[np.ndarray, " tags"]:
    """Return the share of examples that carry each tag, kept off 0 and 1 by half a count."""
    counts = np.zeros(tags, dtype=np.float64)
    for example in examples:
        counts[list(example.tag_ids)] += 1.0
    return (counts + 0.5) / (len(examples) + 1.0)


def mean_average_precision(
    scores: Float[np.ndarray, "clips tags"], truth: Bool[np.ndarray, "clips tags"]
) -> float:
    """Return average precision, averaged over the tags with a positive; NaN where none has one."""
    from sklearn.metrics import average_precision_score

    known = truth.any(axis=0)
    if not known.any():
        return float("nan")
    return float(average_precision_score(truth[:, known], scores[:, known], average="macro"))
