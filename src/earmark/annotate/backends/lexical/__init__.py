"""The embedded tagger: the useful words of a caption, by part of speech, with no language model."""

from .backend import LexicalBackend, LexicalConfig

__all__ = ["LexicalBackend", "LexicalConfig"]
