"""Audio and text chat models of Hugging Face transformers, run in this process."""

from earmark.annotate.backends.transformers.config import TransformersConfig

__all__ = ["TransformersConfig"]
