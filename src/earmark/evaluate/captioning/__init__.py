"""Metrics of captions in plain Python: no Java, nothing to download."""
