"""Audio models of `transformers` as encoders."""

from earmark.pretrain.encoders.huggingface.encoder import HuggingFace
from earmark.pretrain.encoders.huggingface.resolving import resolve

__all__ = ["HuggingFace", "resolve"]
