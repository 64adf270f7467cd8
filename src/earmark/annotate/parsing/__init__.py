"""Parse raw answers: faults of a caption, its summary, its tags. Pure functions of text."""
