"""The command line: one verb, one function, no logic.

Exit codes: 0 done, 1 the work failed or too much was rejected, 2 the user's mistake.
"""

from __future__ import annotations

import logging
import sys

from .app import app

# Verbs, in the order of the help.
# isort: split
from . import whole as whole

# isort: split
from . import annotation as annotation

# isort: split
from . import training as training

# isort: split
from . import study as study

# isort: split
from . import models as models

# isort: split
from . import tasks as tasks

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
