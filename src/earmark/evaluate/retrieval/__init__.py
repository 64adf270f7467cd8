"""Audio and language: retrieval, and captions from a frozen encoder."""
