"""A job of prompts, worked on in shards: in this process, on a Ray cluster, or as array tasks."""
