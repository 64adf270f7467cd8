"""A job of prompts, worked on in shards: here, on a Ray cluster, or one task of an array each."""
