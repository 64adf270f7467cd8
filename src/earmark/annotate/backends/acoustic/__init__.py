"""The embedded captioner: it measures the signal and writes down what it measured."""

from earmark.annotate.backends.acoustic.backend import AcousticConfig

__all__ = ["AcousticConfig"]
