"""Audio models of `transformers` as encoders."""

from earmark.pretrain.encoders.huggingface.base import resolve_architecture
from earmark.pretrain.encoders.huggingface.encoder import HuggingFaceEncoder

__all__ = ["HuggingFaceEncoder", "resolve_architecture"]
