"""Named datasets and tables as evaluation clips."""
