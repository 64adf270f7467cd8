"""What is read from a raw answer: faults, the summary, tags. Pure functions of text."""
