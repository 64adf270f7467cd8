"""Encoder to scores."""
