"""Captioners and taggers."""
