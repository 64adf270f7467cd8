"""Read rows of tags once, cache them by source, and count and filter them as arrays."""
