"""The vocabulary as a file: locked, opened, compared, and in the forms of others."""
