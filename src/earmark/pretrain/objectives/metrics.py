"""How often the right one is among the first found: text by clip, and clip by text."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from earmark.pretrain.objectives.contrastive_losses import Pairs, cosines

ROWS = 512
"""Queries that are held against everything at a time."""


def recalls(pairs: Pairs, depths: Sequence[int]) -> dict[str, float]:
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
    to_text = ranks(pairs.audio, texts, places, ids)
    to_audio = ranks(texts, pairs.audio, ids, places)
    scores = dict[str, float]()
    for depth in depths:
        found, finding = (float((rank < depth).float().mean()) for rank in (to_text, to_audio))
        scores[f"audio_to_text_recall_at_{depth}"] = found
        scores[f"text_to_audio_recall_at_{depth}"] = finding
        scores[f"recall_at_{depth}"] = (found + finding) / 2
    return scores


def ranks(
    queries: Float32[Tensor, "queries dim"],
    found: Float32[Tensor, "found dim"],
    wanted: Int64[Tensor, " queries"],
    keys: Int64[Tensor, " found"],
) -> Int64[Tensor, " queries"]:
    """Return how many wrong ones come before the first right one, for each query.

    Right is where `keys` is what the query has `wanted`; each query has one that is.
    """
    blocks = [torch.zeros(0, dtype=torch.long, device=wanted.device)]
    for first in range(0, len(queries), ROWS):
        rows = slice(first, first + ROWS)
        scores = cosines(queries[rows], found)
        right = wanted[rows].unsqueeze(1) == keys
        best = scores.masked_fill(~right, -torch.inf).amax(dim=1, keepdim=True)
        blocks.append(((scores >= best) & ~right).sum(dim=1))
    return torch.cat(blocks)
