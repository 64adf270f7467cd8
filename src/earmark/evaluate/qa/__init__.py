"""Questions about clips: multiple choice, and an adapter into a causal language model."""
