"""The embedded captioner: it measures the signal and writes down what it measured."""

from earmark.annotate.backends.acoustic.config import AcousticConfig

__all__ = ["AcousticConfig"]
