"""Which rows of a table a config asks for: by the values of columns, and up to a limit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.config import ConfigError, nearest
from earmark.corpora.table_reader import Line, read_lines

if TYPE_CHECKING:
    from earmark.corpora.table import TableConfig

LISTED_VALUES = 1000  # of a column, as many as an error message chooses the nearest from


def is_asked(line: Line, config: TableConfig) -> bool:
    """Return whether `where` takes the row; a broken one counts, as nobody knows what it was."""
    return bool(line.fault) or all(
        any(text in values for text in _known_texts(line, column))
        for column, values in config.where.items()
    )


def survey(config: TableConfig, table: Path) -> int:
    """Count the rows that are asked for.

    Raises:
        ConfigError: a column that the config names is in no row, or no row is asked for.
    """
    columns: set[str] = set()
    values: dict[str, set[str]] = {column: set() for column in config.where}
    asked = readable = 0
    fault = "it has none"
    for line in read_lines(table, config.delimiter):
        columns.update(line.cells)
        if line.fault:
            fault = f"line {line.number} is {line.fault}"
        if is_asked(line, config):
            asked += 1
            readable += not line.fault
        for column, found in values.items():
            if len(found) < LISTED_VALUES:
                found.update(_known_texts(line, column))
    if not columns:
        raise ConfigError(f"{table}: no row can be read: {fault}")
    for setting, column in _columns(config):
        if column not in columns:
            raise ConfigError(
                f"corpus.{setting}: {table} has no column {column!r}.{nearest(column, columns)}"
            )
    if not readable:
        raise ConfigError(_nothing_asked(config, table, values))
    return asked


def _columns(config: TableConfig) -> Iterator[tuple[str, str]]:
    """Yield each column that the config names, with the setting that names it."""
    yield "path_column", config.path_column
    for label in config.labels:
        yield "labels", label
    for column in config.where:
        yield "where", column
    singles = {
        "name_column": config.name_column,
        "recording_column": config.recording_column,
        "speaker_column": config.speaker_column,
        "split_column": config.split_column,
        "licence_column": config.licence_column,
        "attribution_column": config.attribution_column,
        "captions_column": config.captions_column,
    }
    yield from ((setting, column) for setting, column in singles.items() if column is not None)


def _nothing_asked(config: TableConfig, table: Path, values: dict[str, set[str]]) -> str:
    for column, wanted in config.where.items():
        if not values[column].intersection(wanted):
            known = nearest(wanted[0] if wanted else "", values[column])
            return f"corpus.where: no row of {table} has {column} = {list(wanted)}.{known}"
    return f"corpus.where: no row of {table} fits all of {config.where} at once"


def pick(index: int, limit: int, total: int) -> int:
    """Return a position in stretch `index` of `limit`.

    Not always the same place in a stretch: tables often run through folds or classes in turn.
    """
    start, stop = index * total // limit, (index + 1) * total // limit
    draw = int.from_bytes(hashlib.sha256(f"{index}".encode()).digest()[:8], "big")
    return start + draw % (stop - start)


def _known_texts(line: Line, column: str) -> tuple[str, ...]:
    try:
        return line.texts(column)
    except ValueError:
        return ()
