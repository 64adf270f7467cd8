"""The lines of a dataset's tables as fields, with a header or without one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from earmark.config import ConfigError
from earmark.corpora.table_reader import Line, read_lines
from earmark.evaluate.datasets.broken import BrokenCopyError, existing_file
from earmark.evaluate.datasets.fields import Fields
from earmark.evaluate.datasets.registry import Join, JsonRows, TableRows

KEY = "key"
"""The field that a clip's key in a JSON object becomes."""


def lines_of(folder: Path, table: TableRows | Join) -> Iterator[Line]:
    """Yield the lines of a table; one that cannot be read has a fault instead of cells.

    Raises:
        BrokenCopyError: there is no such table, or it cannot be read as text.
    """
    path = existing_file(folder, table.file)
    try:
        if table.columns:
            yield from _plain(path, table)
        else:
            yield from read_lines(path, table.separator or None)
    except (ConfigError, UnicodeDecodeError, OSError) as error:
        raise BrokenCopyError(f"{table.file} cannot be read: {error}") from None


def objects_of(folder: Path, rows: JsonRows) -> Iterator[Line]:
    """Yield the objects of a JSON file, numbered from 1.

    Raises:
        BrokenCopyError: there is no such file, or it does not hold an object of objects.
    """
    path = existing_file(folder, rows.file)
    try:
        read = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Any]])
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise BrokenCopyError(
            f"{rows.file}: one JSON object with an object a clip was expected: {error}"
        ) from None
    for number, (key, fields) in enumerate(read.items(), start=1):
        yield Line(number, {**fields, KEY: key})


def joined(folder: Path, join: Join) -> dict[str, Fields]:
    """Return the rows of a second table by the value that they are joined on.

    Raises:
        BrokenCopyError: the table or its column is not there.
    """
    rows: dict[str, Fields] = {}
    for line in lines_of(folder, join):
        if line.fault:
            continue
        if join.on not in line.cells:
            raise BrokenCopyError(f"{join.file}: no column {join.on!r}")
        rows["".join(line.texts(join.on))] = line.cells
    return rows


def _plain(path: Path, table: TableRows | Join) -> Iterator[Line]:
    """Yield the lines of a file without a header."""
    with open(path, encoding="utf-8-sig", newline="") as text:
        for number, line in enumerate(text, start=1):
            if not line.strip() or (table.comment and line.startswith(table.comment)):
                continue
            cells = _cells(line.strip("\r\n"), table)
            if len(cells) == len(table.columns):
                yield Line(number, dict(zip(table.columns, cells, strict=True)))
            else:
                fault = f"{len(cells)} cells, where {len(table.columns)} were expected"
                yield Line(number, fault=fault)


def _cells(line: str, table: TableRows | Join) -> list[str]:
    if table.separator == ",":
        return next(csv.reader([line]))
    if len(table.columns) == 1:
        return [line.strip()]
    parts = line.split(table.separator or None, len(table.columns) - 1)
    return [part.strip() for part in parts]
