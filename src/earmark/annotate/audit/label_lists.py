"""Lists of class names that a vocabulary is held against; AudioSet's 527 come along."""

from __future__ import annotations

import csv
from importlib import resources
from pathlib import Path
from typing import Any, cast

import msgspec

from earmark.annotate.audit.config import LabelList
from earmark.config import ConfigError, nearest

DELIMITERS = {".csv": ",", ".tsv": "\t"}
KNOWN = (".txt", ".json", *DELIMITERS)
TAGS = "tags"
"""The key of a .json file below which its names stand, where it has a note beside them."""


def audioset() -> tuple[str, ...]:
    """Return the display names of AudioSet's 527 classes (Gemmeke et al., ICASSP 2017)."""
    text = resources.files(__package__ or "").joinpath("audioset.txt").read_text("utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def read_list(asked: LabelList) -> tuple[str, ...]:
    """Return the names of a list in their order, each once.

    Raises:
        ConfigError: the file cannot be read, is of another format, or has no names.
    """
    path = Path(asked.path)
    suffix = path.suffix.lower()
    if suffix not in KNOWN:
        raise ConfigError(
            f"audit.lists: {path} has none of the suffixes {', '.join(KNOWN)}, so its format is "
            "unknown. Write one name a line into a .txt file."
        )
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"audit.lists: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"audit.lists: {path} is not UTF-8: {error.reason}") from None
    found = _names(text, suffix, asked)
    names = tuple(dict.fromkeys(name.strip() for name in found if name.strip()))
    if not names:
        raise ConfigError(f"audit.lists: {path} holds no names.")
    return names


def _names(text: str, suffix: str, asked: LabelList) -> list[str]:
    if suffix == ".txt":
        return [line for line in text.splitlines() if not line.startswith("#")]
    if suffix == ".json":
        return _from_json(text, asked.path)
    return _from_table(text, DELIMITERS[suffix], asked)


def _from_json(text: str, path: str) -> list[str]:
    try:
        data: Any = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ConfigError(f"audit.lists: {path} is not valid JSON: {error}") from None
    if isinstance(data, dict) and isinstance(data.get(TAGS), dict | list):
        data = data[TAGS]
    if isinstance(data, dict | list):
        names = list(cast("list[Any]", data))
        if all(isinstance(name, str) for name in names):
            return names
    raise ConfigError(
        f'audit.lists: {path} should be an object whose keys are names, or a list: ["dog", "cat"]'
    )


def _from_table(text: str, delimiter: str, asked: LabelList) -> list[str]:
    rows = list(csv.DictReader(text.splitlines(), delimiter=delimiter))
    columns = list(rows[0]) if rows else []
    if asked.column not in columns:
        what = f"no column {asked.column!r}" if asked.column else "several columns; set `column`"
        raise ConfigError(f"audit.lists: {asked.path} has {what}.{nearest(asked.column, columns)}")
    return [row[asked.column] or "" for row in rows]
