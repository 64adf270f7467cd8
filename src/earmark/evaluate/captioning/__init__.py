"""Captioning from frozen frames, and its metrics."""
