"""Audio to manifest: scan, caption, tag, vocabulary, manifest."""
