"""What tells one encoder from another where a harness keeps scores."""

from __future__ import annotations

from pathlib import Path

from earmark.evaluate.features import encoder_fingerprint
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.use.finding import CONFIG, find_checkpoint


def fingerprint_at(path: Path, encoder: Encoder) -> str:
    """Return hex digits of the weights and settings of the encoder that `path` gave.

    Raises:
        ConfigError: there is none at `path`.
    """
    return encoder_fingerprint(encoder, (find_checkpoint(path) / CONFIG).read_bytes())
