"""Audio and text chat models of Hugging Face transformers, run in this process."""

from earmark.annotate.backends.transformers.backend import TransformersConfig

__all__ = ["TransformersConfig"]
