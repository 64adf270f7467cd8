"""The ways in which a captioner's answer can be wrong, each with its rule."""
