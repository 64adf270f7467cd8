"""Compare tags and vocabulary with human labels, label lists and another tagger."""
