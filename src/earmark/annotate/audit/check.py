"""What can be checked of an audit before any work: nothing is loaded or asked."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from earmark.annotate.audit.config import AuditConfig
from earmark.annotate.audit.label_lists import read_list
from earmark.config import ConfigError, check_packages, nearest


def check(config: AuditConfig) -> None:
    """Check files, keys and packages; takes milliseconds.

    Raises:
        ConfigError: a file cannot be read, the second tagger cannot be built, or `semantic` is
            asked for without its extra. The message says what to write or install.
    """
    check_packages(config, "audit")
    for source in config.texts:
        _check_file(Path(source.path))
    for asked in config.lists:
        read_list(asked)
    if config.against is not None:
        config.against.build()


def check_fields(fields: Iterable[str], present: Collection[str]) -> None:
    """Check that some clip has each label field that is compared. Raises ConfigError."""
    for field in fields:
        if field not in present:
            raise ConfigError(
                f"audit.fields: no clip has the label field {field!r}.{nearest(field, present)}"
            )


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise ConfigError(
            f"audit.texts: there is no file {path}. A path is meant from the folder where the "
            "command is given."
        )
    if not os.access(path, os.R_OK):
        raise ConfigError(f"audit.texts: {path} cannot be read: you have no right to.")
