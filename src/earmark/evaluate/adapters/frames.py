"""What the adapters share.

That is frames at a steady hop from a batch of waves, and a fingerprint of the encoder.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from earmark.evaluate.features import encoder_fingerprint
from earmark.pretrain.checkpoint.folder import CONFIG_FILE, find_checkpoint
from earmark.pretrain.encoders.base import Encoder

WINDOW_S = 1.0
"""What an encoder with one frame a clip is given at a time, where frames are asked for."""


def hop_ms(encoder: Encoder) -> float:
    """Return the milliseconds from one frame to the next; `WINDOW_S` for one frame a clip."""
    return 1000.0 / encoder.frame_rate if encoder.frame_rate else 1000.0 * WINDOW_S


@torch.no_grad()
def encode_frames(
    encoder: Encoder, wave: Float[Tensor, "batch samples"]
) -> Float32[Tensor, "batch frames dim"]:
    """Encode waves of one length, in [-1, 1] at the encoder's rate; no gradients.

    An encoder that gives one frame a clip is given windows of `WINDOW_S`, the last one shorter:
    a frame each.

    Raises:
        ValueError: as `check_waves`.
    """
    wave = check_waves(encoder, wave)
    if encoder.frame_rate:
        encoded = encoder(wave, _lengths(wave, wave.shape[1]))
        return encoded.frames[:, : int(encoded.mask[0].sum())].float()
    size = round(WINDOW_S * encoder.sample_rate)
    starts = range(0, wave.shape[1], size)
    windows = functional.pad(wave, (0, len(starts) * size - wave.shape[1])).view(-1, size)
    lengths = _lengths(windows, size).view(len(wave), len(starts))
    lengths[:, -1] = wave.shape[1] - starts[-1]
    return encoder(windows, lengths.flatten()).pooled().view(len(wave), len(starts), -1)


@torch.no_grad()
def encode_pooled(
    encoder: Encoder, wave: Float[Tensor, "batch samples"]
) -> Float32[Tensor, "batch dim"]:
    """Return the mean over the frames of each wave; waves and errors as of `encode_frames`."""
    wave = check_waves(encoder, wave)
    return encoder(wave, _lengths(wave, wave.shape[1])).pooled()


def frame_centers_ms(encoder: Encoder, samples: int, frames: int) -> Float32[Tensor, " frames"]:
    """Return where in a wave its frames lie, ms from its beginning.

    Encoders read as much before a frame as behind it, hence their frames lie about the wave's
    middle, whether or not convolutions shorten it at both ends. Windows begin at its beginning.
    """
    hop = hop_ms(encoder)
    place = torch.arange(frames, dtype=torch.float64)
    if not encoder.frame_rate:
        return ((place + 0.5) * hop).float()
    middle = 500.0 * samples / encoder.sample_rate
    return (middle + (place - (frames - 1) / 2) * hop).float()


def check_waves(
    encoder: Encoder, wave: Float[Tensor, "batch samples"]
) -> Float32[Tensor, "batch samples"]:
    """Return waves as float32 on the encoder's device.

    Raises:
        ValueError: they are not a batch of at least one sample each, or not finite.
    """
    if wave.ndim != 2 or math.prod(wave.shape) == 0 or not bool(wave.isfinite().all()):
        raise ValueError(
            f"a batch of waves should be [batch, samples] of finite numbers in [-1, 1] at "
            f"{encoder.sample_rate} Hz; one of shape {list(wave.shape)} was given."
        )
    device = next(iter([*encoder.parameters(), *encoder.buffers()])).device
    return wave.to(device=device, dtype=torch.float32)


def _lengths(wave: Float[Tensor, "batch samples"], samples: int) -> Tensor:
    return torch.full((len(wave),), samples, dtype=torch.int64, device=wave.device)


def checkpoint_fingerprint(path: Path, encoder: Encoder) -> str:
    """Return hex digits of the weights and settings of the encoder that `path` gave.

    Raises:
        ConfigError: there is none at `path`.
    """
    return encoder_fingerprint(encoder, (find_checkpoint(path) / CONFIG_FILE).read_bytes())
