"""The number of evaluation's rules."""

VERSION = 1
"""Raised by every change that alters a score: what was measured before it is measured again."""
