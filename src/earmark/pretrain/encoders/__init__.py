"""Encoders: waveforms to frames."""
