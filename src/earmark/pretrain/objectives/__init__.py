"""Objectives: what an encoder is trained on, and the losses."""
