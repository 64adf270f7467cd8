"""Rows of tags to numbers: read once, kept by source, counted and filtered without Python loops."""
