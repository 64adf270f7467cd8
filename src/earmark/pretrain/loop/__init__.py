"""The training loop: steps, validation, resume, several processes."""
