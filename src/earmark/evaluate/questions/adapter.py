"""The only trained part of question answering: frames of an encoder become a model's tokens.

Neighbouring frames are concatenated, then Linear-ReLU-Linear (arXiv 2603.25767, section 4: eight
frames, into the space of a language model's word embeddings). Frames are first standardised by
train's mean and deviation, as for a linear probe, so that one learning rate serves encoders whose
features differ in size by orders of magnitude.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from earmark.evaluate.base import FrozenEncoder
from earmark.evaluate.probes.scaling import scaling_of
from earmark.records import Example

Heard = Mapping[str, Float32[Tensor, "frames dim"]]
"""The real frames of each clip, by clip id; clips differ in how many they have."""


def hear(encoder: FrozenEncoder, examples: Sequence[Example]) -> Heard | None:
    """Return the frames of clips without their padding; None where one is not finite."""
    clips = list({example.id: example for example in examples}.values())
    frames = encoder.frames(clips)
    rows = zip(frames.values, frames.mask, strict=True)
    real = [values[mask] for values, mask in rows]
    if not all(np.isfinite(values).all() for values in real):
        return None
    return {clip.id: torch.from_numpy(v) for clip, v in zip(clips, real, strict=True)}


class Adapter(nn.Module):
    """Frames -> tokens of a language model.

    Args:
        mean: of train's frames, over time and clips.
        deviation: likewise; a constant dimension has 1.
        stack: frames that become one token.
        width: of a token.
        token_scale: the standard deviation of the model's word embeddings; the tokens start at
            about that size, as no layer of the model has met others.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        mean: Float32[Tensor, " dim"],
        deviation: Float32[Tensor, " dim"],
        *,
        stack: int,
        width: int,
        token_scale: float,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.stack = stack
        self.token_scale = token_scale
        self.layers = nn.Sequential(
            nn.Linear(stack * len(mean), width), nn.ReLU(), nn.Linear(width, width)
        )

    def forward(self, clips: Sequence[Float32[Tensor, "_ dim"]]) -> list[Float[Tensor, "_ width"]]:
        """Return the tokens of each clip: one for each `stack` frames begun, at least one.

        Frames that lack in the last token count as the mean.
        """
        stacked = [self._stacked((frames - self.mean) / self.deviation) for frames in clips]
        # All clips in one go, one after another: no padding, so a clip's tokens are its own.
        tokens = self.token_scale * self.layers(torch.cat(stacked))
        return list(tokens.split([len(rows) for rows in stacked]))

    def _stacked(
        self, frames: Float32[Tensor, "frames dim"]
    ) -> Float32[Tensor, "tokens stack_dim"]:
        tokens = max(-(-len(frames) // self.stack), 1)
        lacking = tokens * self.stack - len(frames)
        return nn.functional.pad(frames, (0, 0, 0, lacking)).reshape(tokens, -1)


def new_adapter(heard: Heard, *, stack: int, width: int, token_scale: float, seed: int) -> Adapter:
    """Return an adapter with weights drawn from `seed` for the clips that it will be trained on."""
    scaling = scaling_of(torch.cat(list(heard.values())).numpy())
    mean = torch.from_numpy(scaling.mean).float()
    deviation = torch.from_numpy(scaling.deviation).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Adapter(mean, deviation, stack=stack, width=width, token_scale=token_scale)
