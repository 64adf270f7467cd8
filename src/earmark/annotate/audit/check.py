"""What can be checked of an audit's settings before any work: nothing is loaded or asked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from earmark.annotate.semantics import check_installed
from earmark.config import ConfigError
from earmark.corpora.lines import JSON_LINES

from .config import AuditConfig, TextSource
from .label_lists import AUDIOSET, read_list

CORPUS = "corpus"
"""What the clips are called beside text sources."""


def check(config: AuditConfig) -> None:
    """Check settings, files, keys and packages; takes milliseconds.

    Raises:
        ConfigError: a number is out of range, two lists or text sources have one name, a file
            cannot be read, the second tagger cannot be built, or `semantic` is asked for without
            its extra. The message says what to write or install.
    """
    _check_least("sample", config.sample, "captions that the second tagger is given")
    _check_least("resamples", config.resamples, "bootstrap draws behind an interval")
    _check_names("lists", [AUDIOSET, *(each.name for each in config.lists)])
    _check_names("texts", [each.name for each in config.texts])
    for source in config.texts:
        check_source(source)
        _check_file(Path(source.path))
    for asked in config.lists:
        read_list(asked)
    if config.against is not None:
        config.against.build()
    if config.semantic:
        check_installed()


def check_source(source: TextSource) -> None:
    """Check the name and the suffix of a text source.

    Raises:
        ConfigError: the file is no JSONL, or the name would be mistaken for something else.
    """
    path = Path(source.path)
    if not path.name.removesuffix(".gz").endswith(JSON_LINES):
        raise ConfigError(f"audit.texts: {path} should be a .jsonl file, packed as .gz or not.")
    if not source.name or "/" in source.name or source.name == CORPUS:
        raise ConfigError(
            f"audit.texts: {path} is named {source.name!r}; a name must not be empty, hold a '/', "
            f"or be {CORPUS!r}, which the clips are called."
        )


def _check_least(key: str, given: int, what: str) -> None:
    if given < 1:
        raise ConfigError(f"audit.{key} = {given}, but it counts {what}: write 1 or more.")


def _check_names(key: str, names: Sequence[str]) -> None:
    """Refuse two of one name: one would stand for the other."""
    if doubled := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"audit.{key}: two are named {doubled[0]!r}. Rename one.")


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise ConfigError(
            f"audit.texts: there is no file {path}. A path is meant from the folder where the "
            "command is given."
        )
    if not os.access(path, os.R_OK):
        raise ConfigError(f"audit.texts: {path} cannot be read: you have no right to.")
