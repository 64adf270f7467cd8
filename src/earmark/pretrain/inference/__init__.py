"""What a finished checkpoint is good for: encode, label, search, export."""
