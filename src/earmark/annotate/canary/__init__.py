"""Canary: a backend is probed with known sounds and texts before it gets a whole job.

A server can answer every request and still be useless: its chat template drops the audio, its
batches are mixed up, a long clip brings it down. Ten million such answers cost as much as good
ones.
"""

from earmark.annotate.canary.runner import check_captioner, check_tagger

__all__ = ["check_captioner", "check_tagger"]
