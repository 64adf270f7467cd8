"""Train variants under several seeds and compare them in one table."""
