"""Zipformer2: the paper's encoder (Yao et al. 2023, arXiv 2310.11230), batch-first and whole.

encoder      the sizes, and the encoder from log-mel to frames
stem         log-mel at 100 Hz to frames at 50 Hz
stack        layers at a stack's own frame rate
layer        one block: what is added to its input, in which order
attention    weights computed once a layer and used three times; relative positions
feedforward  the position-wise modules and the gated depthwise convolution
activations  SwooshL, SwooshR, BiasNorm
schedule     what training does less of as it goes on
published    checkpoints of the authors' implementation
"""
