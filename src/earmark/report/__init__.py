"""One self-contained HTML page a workspace."""

from .page import write_report

__all__ = ["write_report"]
