"""The embedded tagger: the useful words of a caption, by part of speech, with no language model."""

from earmark.annotate.backends.lexical.backend import LexicalBackend, LexicalConfig

__all__ = ["LexicalBackend", "LexicalConfig"]
