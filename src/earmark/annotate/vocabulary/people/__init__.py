"""What people decide of tags: proposals to them, their file, and what follows from it."""
