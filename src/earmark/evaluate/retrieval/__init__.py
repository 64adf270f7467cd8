"""Retrieval between texts and clips, in both directions."""
