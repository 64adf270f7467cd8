"""Prompts that were prepared one by one, put together into one padded batch.

Libraries pad the wave and then compute features, which changes the last frames of the shorter
clips. Padding what was computed from each clip alone leaves every value as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

TOKENS = frozenset({"input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids"})
"""Inputs with a value a token. They are padded at the left, for text is added at the right."""


def collate(inputs: Sequence[Mapping[str, Tensor]], pad_token: int) -> dict[str, Tensor]:
    """Return the inputs of several prompts as one batch; zeros fill up all but `input_ids`.

    Tensors of one name are joined along the first axis, and padded along the others.
    """
    return {
        name: _join(
            [one[name] for one in inputs],
            fill=pad_token if name == "input_ids" else 0,
            left=name in TOKENS,
        )
        for name in inputs[0]
    }


def _join(tensors: Sequence[Tensor], fill: int, left: bool) -> Tensor:
    shape = [max(sizes) for sizes in zip(*(one.shape[1:] for one in tensors), strict=True)]
    joined = tensors[0].new_full((sum(len(one) for one in tensors), *shape), fill)
    row = 0
    for one in tensors:
        place = joined[row : row + len(one)]
        for axis, size in enumerate(one.shape[1:], start=1):
            start = place.shape[axis] - size if left else 0
            place = torch.narrow(place, axis, start, size)
        place.copy_(one)
        row += len(one)
    return joined
