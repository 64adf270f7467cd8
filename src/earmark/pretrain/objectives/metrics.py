"""Validation metrics: mean average precision of tags, recall at K of clips and texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from earmark.pretrain.objectives.contrastive_losses import EmbeddingPairs, cosine_similarities


@final
class MeanAveragePrecision:
    """Average precision of each tag, averaged over the tags that some clip has.

    Batches are kept as they come, 5 bytes a clip and tag (0.26 GB for 100,000 clips and 527 tags),
    and gone through tag by tag.
    """

    def __init__(self) -> None:
        self._scores = list[Float32[np.ndarray, "clips tags"]]()
        self._truth = list[Bool[np.ndarray, "clips tags"]]()

    @property
    def clips(self) -> int:
        """How many clips have come."""
        return sum(len(block) for block in self._scores)

    def add(
        self, scores: Float32[np.ndarray, "clips tags"], truth: Bool[np.ndarray, "clips tags"]
    ) -> None:
        """Take in clips; scores need only be in order within a tag."""
        self._scores.append(scores)
        self._truth.append(truth)

    def result(self) -> float:
        """Return the mean, 0 to 1; NaN where no clip has a tag."""
        from sklearn.metrics import average_precision_score

        precisions = list[float]()
        for tag in range(self._truth[0].shape[1] if self._truth else 0):
            truth = np.concatenate([block[:, tag] for block in self._truth])
            if truth.any():
                scores = np.concatenate([block[:, tag] for block in self._scores])
                precisions.append(float(average_precision_score(truth, scores)))
        return float(np.mean(precisions)) if precisions else float("nan")


QUERIES_PER_BLOCK = 512
"""Queries that are held against everything at a time."""


def recall_at_k(pairs: EmbeddingPairs, depths: Sequence[int]) -> dict[str, float]:
    """Return "audio_to_text_recall_at_K" and "text_to_audio_recall_at_K" by depth K, 0 to 1, and
    "recall_at_K", the mean of both.

    An equal text is one text: a clip that finds its own has found it, whichever clip it was
    written for, and a text has found its clip when it has found one of those that it belongs to.
    What scores as high as the right one comes before it, so that vectors which are all the same
    find nothing.
    """
    distinct, places = pairs.keys.unique(return_inverse=True)
    ids = torch.arange(len(distinct), device=places.device)
    # One row a text: any of its clips' will do.
    rows = torch.zeros_like(ids).scatter_(0, places, torch.arange(len(places)).to(ids))
    texts = pairs.text[rows]
    to_text = rank_matches(pairs.audio, texts, places, ids)
    to_audio = rank_matches(texts, pairs.audio, ids, places)
    scores = dict[str, float]()
    for depth in depths:
        found, finding = (float((rank < depth).float().mean()) for rank in (to_text, to_audio))
        scores[f"audio_to_text_recall_at_{depth}"] = found
        scores[f"text_to_audio_recall_at_{depth}"] = finding
        scores[f"recall_at_{depth}"] = (found + finding) / 2
    return scores


def rank_matches(
    queries: Float32[Tensor, "queries dim"],
    found: Float32[Tensor, "found dim"],
    wanted: Int64[Tensor, " queries"],
    keys: Int64[Tensor, " found"],
) -> Int64[Tensor, " queries"]:
    """Return how many wrong ones come before the first right one, for each query.

    Right is where `keys` is what the query has `wanted`; each query has one that is.
    """
    blocks = [torch.zeros(0, dtype=torch.long, device=wanted.device)]
    for first in range(0, len(queries), QUERIES_PER_BLOCK):
        rows = slice(first, first + QUERIES_PER_BLOCK)
        scores = cosine_similarities(queries[rows], found)
        right = wanted[rows].unsqueeze(1) == keys
        best = scores.masked_fill(~right, -torch.inf).amax(dim=1, keepdim=True)
        blocks.append(((scores >= best) & ~right).sum(dim=1))
    return torch.cat(blocks)
