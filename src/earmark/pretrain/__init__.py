"""Manifest to encoder."""
