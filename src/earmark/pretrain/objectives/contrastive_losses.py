"""Losses that pull a clip and its text together, and push both away from those of other clips.

Both take some of the pairs and compare them with all, so that the mean over processes, weighted by
their numbers of pairs, is the loss of the joined batch (`earmark.pretrain.objectives.all_gather`).

Two clips with the same text do not contradict each other: a clip and the equal text of another
count neither as a match nor as a mismatch.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional

MAX_TEMPERATURE = 1.0
MIN_TEMPERATURE = 0.01
"""Bounds of a learnt temperature; the lower is CLIP's (arXiv 2103.00020, section 2.5)."""
SIGLIP_BIAS = -10.0
"""Where SigLIP's bias starts: nearly all pairs are mismatches (arXiv 2303.15343, section 3.2)."""


@dataclass(frozen=True)
class EmbeddingPairs:
    """Unit vectors of clips and of their texts: `audio[i]` belongs to `text[i]`.

    `keys` are equal where texts are.
    """

    audio: Float32[Tensor, "pairs dim"]
    text: Float32[Tensor, "pairs dim"]
    keys: Int64[Tensor, " pairs"]


class PairLoss(nn.Module, ABC):
    """A loss of pairs, averaged over some of them."""

    @abstractmethod
    def forward(self, pairs: EmbeddingPairs, first: int, count: int) -> Float32[Tensor, ""]:
        """Return the mean loss of `count` pairs from `first` on, each held against all."""


class LogitScale(nn.Module):
    """What cosines are multiplied by: 1 / temperature, kept as its logarithm.

    Where it is learnt, each training step first brings the temperature back between
    `MIN_TEMPERATURE` (or the start, where that is lower) and `MAX_TEMPERATURE` (or the start, where
    that is higher), so that it cannot run away, and is never stuck behind a bound for want of a
    gradient.

    Args:
        temperature: above 0; the start where it is learnt.
        learnt: whether it is a parameter.
    """

    logarithm: Tensor

    def __init__(self, temperature: float, *, learnt: bool) -> None:
        super().__init__()
        self._lowest = -math.log(max(MAX_TEMPERATURE, temperature))
        self._highest = -math.log(min(MIN_TEMPERATURE, temperature))
        self._learnt = learnt
        start = torch.tensor(-math.log(temperature))
        if learnt:
            self.logarithm = nn.Parameter(start)
        else:
            self.register_buffer("logarithm", start)

    def forward(self) -> Float32[Tensor, ""]:
        """Return 1 / temperature."""
        if self.training and self._learnt:
            with torch.no_grad():
                self.logarithm.clamp_(self._lowest, self._highest)
        return self.logarithm.exp()


@final
class InfoNce(PairLoss):
    """Symmetric InfoNCE: which of all texts is the clip's, and which of all clips is the text's?

    For clips a and texts t, with temperature T, the mean over pairs i of
    -1/2 (log softmax_j(a_i . t_j / T)_i + log softmax_j(t_i . a_j / T)_i)
    (arXiv 1807.03748, equation 4; both ways as in arXiv 2103.00020, figure 3). Nats.

    Args:
        temperature: T, or where it starts.
        learnt: whether it is a parameter.
    """

    def __init__(self, temperature: float, *, learnt: bool) -> None:
        super().__init__()
        self.scale = LogitScale(temperature, learnt=learnt)

    def forward(self, pairs: EmbeddingPairs, first: int, count: int) -> Float32[Tensor, ""]:
        """Return the mean loss of `count` pairs from `first` on, each held against all."""
        own = slice(first, first + count)
        twins, right = pair_targets(pairs.keys, first, count)
        scale = self.scale()
        to_text = (scale * cosine_similarities(pairs.audio[own], pairs.text)).masked_fill(
            twins, -math.inf
        )
        to_audio = (scale * cosine_similarities(pairs.text[own], pairs.audio)).masked_fill(
            twins, -math.inf
        )
        both = functional.cross_entropy(to_text, right) + functional.cross_entropy(to_audio, right)
        return both / 2


@final
class SigLip(PairLoss):
    """Sigmoid loss: of each clip and each text, do they belong together?

    The mean over clips i of -sum_j log sigmoid(z_ij (a_i . t_j / T + b)), where z_ij is 1 for the
    clip's own text and else -1; T and b are learnt (arXiv 2303.15343, algorithm 1). Nats.

    Args:
        temperature: where T starts.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.scale = LogitScale(temperature, learnt=True)
        self.bias = nn.Parameter(torch.tensor(SIGLIP_BIAS))

    def forward(self, pairs: EmbeddingPairs, first: int, count: int) -> Float32[Tensor, ""]:
        """Return the mean loss of `count` pairs from `first` on, each held against all."""
        twins, right = pair_targets(pairs.keys, first, count)
        own = pairs.audio[first : first + count]
        logits = self.scale() * cosine_similarities(own, pairs.text) + self.bias
        signs = 2.0 * functional.one_hot(right, len(pairs.keys)) - 1.0
        losses = -functional.logsigmoid(signs * logits).masked_fill(twins, 0.0)
        return losses.sum() / count


def pair_targets(
    keys: Int64[Tensor, " pairs"], first: int, count: int
) -> tuple[Bool[Tensor, "count pairs"], Int64[Tensor, " count"]]:
    """Return where others of `count` pairs from `first` on have an equal text, and their places."""
    right = torch.arange(first, first + count, device=keys.device)
    twins = keys[right].unsqueeze(1) == keys
    return twins.scatter(1, right.unsqueeze(1), torch.zeros_like(twins)), right


def cosine_similarities(
    rows: Float32[Tensor, "rows dim"], columns: Float32[Tensor, "columns dim"]
) -> Float32[Tensor, "rows columns"]:
    """Return dot products in float32, also where autocast would have three digits do."""
    with torch.autocast(rows.device.type, enabled=False):
        return rows @ columns.T
