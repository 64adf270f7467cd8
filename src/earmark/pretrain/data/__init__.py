"""Batches of audio: the order of clips, decoding, padding."""
