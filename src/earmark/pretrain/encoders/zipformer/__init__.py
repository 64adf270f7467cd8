"""Zipformer2: the paper's encoder (Yao et al. 2023, arXiv 2310.11230), batch-first and whole.

encoder    the sizes, and the encoder from log-mel to frames
stem       log-mel at 100 Hz to frames at 50 Hz
layers     one block, and stacks of blocks at their own frame rates
modules    attention, feed-forward, convolution, activations, normalization
schedule   skip rates and dropout, which fall as training goes on
published  checkpoints of the authors' implementation
"""
