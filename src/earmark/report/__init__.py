"""One self-contained HTML page a workspace."""
