"""Encoders for X-ARES (Zhang et al. 2025, arXiv 2505.16369).

X-ARES is given a Python file of the user's with `MineEncoder = factory("runs/mine")` in it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from jaxtyping import Float, Float32
from torch import Tensor, nn

from earmark.evaluate.adapters.frames import checkpoint_fingerprint, encode_frames, hop_ms
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.inference.load import load_encoder


class XaresEncoder(nn.Module):
    """An encoder with the attributes that X-ARES reads.

    X-ARES fills the shorter clips of a batch with silence and does not tell their lengths: the
    silence is heard.

    `sampling_rate` is in Hz, `output_dim` the width of a frame, `hop_size_in_ms` the time from a
    frame to the next: 1000 for an encoder that gives one frame a clip, which is given a second at
    a time.

    Args:
        encoder: is put into evaluation mode.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder.eval()
        self.sampling_rate = encoder.sample_rate
        self.output_dim = encoder.dim
        self.hop_size_in_ms = hop_ms(encoder)

    def forward(self, audio: Float[Tensor, "batch samples"]) -> Float32[Tensor, "batch frames dim"]:
        """Return the frames of waves in [-1, 1] at `sampling_rate`, without gradients.

        Raises:
            ValueError: they are empty, not finite, or not [batch, samples].
        """
        return encode_frames(self.encoder, audio)


def factory(path: str | Path, device: str = "cpu") -> Callable[[], XaresEncoder]:
    """Return what X-ARES calls without arguments to get its encoder.

    X-ARES keeps features and scores by the name of the encoder's class: two checkpoints under one
    name would share the scores of the first. So each is of a class of its own, whose name holds
    a hash of its weights. In the file that X-ARES is given, exactly one name may end in "Encoder".

    Args:
        path: as of `earmark.load_encoder`.
        device: as of `earmark.load_encoder`; X-ARES moves the encoder on to a GPU that it finds.

    Raises:
        ConfigError: as `earmark.load_encoder`, when it is called.
    """
    return partial(_load_as_own_class, Path(path).absolute(), device)


def _load_as_own_class(path: Path, device: str) -> XaresEncoder:
    encoder = load_encoder(path, device)
    name = f"Earmark_{checkpoint_fingerprint(path, encoder)}_Encoder"
    return type(name, (XaresEncoder,), {})(encoder)
