"""Audio and text chat models of Hugging Face transformers, run in this process."""

from .config import TransformersConfig

__all__ = ["TransformersConfig"]
