"""The command line: one function a command, no logic.

Exit codes: 0 done, 1 the work failed or too much was rejected, 2 the user's mistake.
"""

from __future__ import annotations

import logging
import sys

from earmark.cli.options import app

# Commands, in the order of the help.
# isort: split
from earmark.cli import pipeline as pipeline

# isort: split
from earmark.cli import vocabulary as vocabulary

# isort: split
from earmark.cli import study as study

# isort: split
from earmark.cli import models as models

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; a user's mistake is one plain message, not a traceback."""
    from earmark.workspace import StageError

    _log_to_stderr()
    try:
        app()
    except (StageError, FloatingPointError, OSError) as error:
        print(f"earmark: {error}", file=sys.stderr)
        sys.exit(1)
    except ValueError as error:
        print(f"earmark: {error}", file=sys.stderr)
        sys.exit(2)


def _log_to_stderr() -> None:
    """Show what backends have to say of their servers."""
    log = logging.getLogger("earmark")
    if not log.handlers:
        log.addHandler(logging.StreamHandler())
        log.setLevel(logging.INFO)
