"""One self-contained HTML page a workspace."""

from earmark.report.page import write_report

__all__ = ["write_report"]
