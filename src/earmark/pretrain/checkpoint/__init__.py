"""Checkpoints on disk: weights as safetensors, settings as JSON, and a model card."""
