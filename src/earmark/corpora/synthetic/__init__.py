"""The embedded corpus: speech, music, sounds and mixes made from a seed, with true labels."""

from earmark.corpora.synthetic.corpus import SyntheticConfig, SyntheticCorpus

__all__ = ["SyntheticConfig", "SyntheticCorpus"]
