"""Multi-head attention over frames with one learnt query, then a linear layer, in torch.

Attention as in Vaswani et al. 2017 (arXiv 1706.03762), the query a parameter as in the pooling of
Set Transformer (Lee et al. 2019, arXiv 1810.00825). No frame needs a key or a value of its own: a
head's query times its key matrix is one vector that all frames are compared with, and its value
matrix is applied once, to the weighted mean. That is the same function for a fraction of the work.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class AttentionClassifier(nn.Module):
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
