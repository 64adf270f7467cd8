"""One self-contained HTML page a study."""

from earmark.report.study.page import write_study_page

__all__ = ["write_study_page"]
