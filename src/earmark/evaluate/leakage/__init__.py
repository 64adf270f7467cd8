"""Detect test clips that leaked from training."""
