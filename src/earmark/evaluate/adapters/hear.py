"""The common API of HEAR (Turian et al. 2022, arXiv 2203.03022, section 3).

`hear-validator` and `heareval` are given this module; docs/harnesses.md has the commands.
"""

from __future__ import annotations

from jaxtyping import Float, Float32
from torch import Tensor, nn

from earmark.config import ConfigError
from earmark.evaluate.adapters.frames import encode_frames, encode_pooled, frame_centers_ms
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.inference.load import load_encoder

SAMPLE_RATES = (16000, 22050, 44100, 48000)
"""What HEAR's datasets come at, Hz."""


class HearModel(nn.Module):
    """An encoder with the attributes that HEAR reads.

    Args:
        encoder: is put into evaluation mode.

    Raises:
        ConfigError: HEAR has no audio at the encoder's rate.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        if encoder.sample_rate not in SAMPLE_RATES:
            raise ConfigError(
                f"HEAR's audio comes at {', '.join(map(str, SAMPLE_RATES))} Hz, but the encoder "
                f"listens at {encoder.sample_rate} Hz. Pre-train with encoder.sample_rate = 16000."
            )
        self.encoder = encoder.eval()
        self.sample_rate = encoder.sample_rate
        self.scene_embedding_size = encoder.dim
        self.timestamp_embedding_size = encoder.dim


def load_model(model_file_path: str = "") -> HearModel:
    """Return a model on the CPU.

    Args:
        model_file_path: as of `earmark.load_encoder`.

    Raises:
        ConfigError: as `earmark.load_encoder`, no path is given, or as `HearModel`.
    """
    if not model_file_path:
        raise ConfigError(
            "HEAR gave no model_file_path: name a checkpoint, a stage or a workspace, as in "
            "`hear-validator earmark.evaluate.adapters.hear -m runs/mine`."
        )
    return HearModel(load_encoder(model_file_path))


def get_timestamp_embeddings(
    audio: Float[Tensor, "sounds samples"], model: HearModel
) -> tuple[Float32[Tensor, "sounds frames dim"], Float32[Tensor, "sounds frames"]]:
    """Return the frames of sounds of one length, and the times of their centres in ms.

    Args:
        audio: mono, in [-1, 1], at the model's rate.
        model: of `load_model`.

    Raises:
        ValueError: the audio is empty, not finite, or not [sounds, samples].
    """
    frames = encode_frames(model.encoder, audio)
    times = frame_centers_ms(model.encoder, audio.shape[1], frames.shape[1])
    return frames, times.to(frames.device).expand(frames.shape[:2]).contiguous()


def get_scene_embeddings(
    audio: Float[Tensor, "sounds samples"], model: HearModel
) -> Float32[Tensor, "sounds dim"]:
    """Return one vector a sound, the mean over its frames; as `get_timestamp_embeddings`."""
    return encode_pooled(model.encoder, audio)
