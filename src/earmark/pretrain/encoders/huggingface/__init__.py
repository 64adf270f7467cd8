"""Audio models of `transformers` as encoders."""

from earmark.pretrain.encoders.huggingface.base import resolve
from earmark.pretrain.encoders.huggingface.encoder import HuggingFace

__all__ = ["HuggingFace", "resolve"]
