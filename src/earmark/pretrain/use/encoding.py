"""Sounds to frames, in batches of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from earmark.pretrain.encoders.base import EMBED_BATCH_S, Encoded, Encoder
from earmark.pretrain.loading.waves import Sound, as_wave, duration_s, group_by_length, pad


def encode_all(encoder: Encoder, sounds: Sequence[Sound]) -> Iterator[tuple[list[int], Encoded]]:
    """Yield the places of some sounds in the sequence, and their frames, until each was there.

    No gradients; the encoder's mode is left as it is.

    Raises:
        AudioError: a file cannot be decoded.
        ValueError: a wave is not a row of finite samples.
    """
    device = next(iter([*encoder.parameters(), *encoder.buffers()])).device
    durations = [duration_s(sound, encoder.sample_rate) for sound in sounds]
    for places in group_by_length(durations, EMBED_BATCH_S):
        wave, lengths = pad([as_wave(sounds[place], encoder.sample_rate) for place in places])
        with torch.inference_mode():
            encoded = encoder(wave.to(device), lengths.to(device))
        yield places, encoded
