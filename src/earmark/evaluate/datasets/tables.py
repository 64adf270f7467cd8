"""Rows of a dataset's tables as fields.

Here are their values, templates filled from them, joined tables, and labels as one column each.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from earmark.config import ConfigError, suggest
from earmark.corpora.table_reader import TableRow, cell_texts, read_table_rows
from earmark.evaluate.dataset_registry import JsonRows, Layout, TableJoin, TableRows


class BrokenCopyError(ValueError):
    """A copy that cannot be read; the message says what was expected, and what was found."""


def missing_field_error(name: str, known: Iterable[str], what: str) -> BrokenCopyError:
    """Return the error for a field that clips do not have."""
    return BrokenCopyError(f"{what}: no field {name!r}.{suggest(name, known)}")


def require_file(folder: Path, name: str) -> Path:
    """Return a file of a copy. Raises BrokenCopyError where it is not there."""
    path = folder / name
    if path.is_file():
        return path
    raise BrokenCopyError(f"expected {name} in {folder}, found {_folder_contents(folder)}")


def require_folder(folder: Path, name: str) -> Path:
    """Return a folder of a copy. Raises BrokenCopyError where it is not there."""
    path = folder / name
    if path.is_dir():
        return path
    raise BrokenCopyError(
        f"expected the folder {name} in {folder}, found {_folder_contents(folder)}"
    )


def _folder_contents(folder: Path) -> str:
    try:
        names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        return f"nothing: {error.strerror}"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more if names else "nothing"


Fields = Mapping[str, Any]
"""The cells of a clip's row, the groups of its name, and what was joined."""

_SLOT = re.compile(r"\{([^{}:]+)(?::(\d+))?\}")


class UnusableRowError(Exception):
    """A row that cannot be used; `reason` is a short fixed word for counting."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def field_values(name: str, fields: Fields, where: str) -> tuple[str, ...]:
    """Return the texts of a field, none where it is blank.

    Raises:
        BrokenCopyError: there is no such field.
        UnusableError: it holds what no text can be made of.
    """
    if name not in fields:
        raise missing_field_error(name, fields, where)
    try:
        return cell_texts(fields[name])
    except ValueError:
        raise UnusableRowError("broken row") from None


def field_value(name: str, fields: Fields, where: str) -> str:
    """Return the text of a field, "" where it is blank; raises as `field_values`."""
    found = field_values(name, fields, where)
    if len(found) > 1:
        raise UnusableRowError("broken row")
    return found[0] if found else ""


def fill_template(template: str, fields: Fields, where: str) -> str:
    """Return a template with each "{field}" in place, "{field:6}" with six digits.

    It is "" where one of the fields is blank. Raises as `field_values`.
    """
    values = {name: field_value(name, fields, where) for name, _ in _SLOT.findall(template)}
    if not all(values.values()):
        return ""
    return _SLOT.sub(lambda slot: values[slot[1]].zfill(int(slot[2] or 0)), template)


KEY_FIELD = "key"
"""The field that a clip's key in a JSON object becomes."""


def iter_table_rows(folder: Path, table: TableRows | TableJoin) -> Iterator[TableRow]:
    """Yield the lines of a table; one that cannot be read has a fault instead of cells.

    Raises:
        BrokenCopyError: there is no such table, or it cannot be read as text.
    """
    path = require_file(folder, table.file)
    try:
        if table.columns:
            yield from _iter_headerless(path, table)
        else:
            yield from read_table_rows(path, table.separator or None)
    except (ConfigError, UnicodeDecodeError, OSError) as error:
        raise BrokenCopyError(f"{table.file} cannot be read: {error}") from None


def iter_json_rows(folder: Path, rows: JsonRows) -> Iterator[TableRow]:
    """Yield the objects of a JSON file, numbered from 1.

    Raises:
        BrokenCopyError: there is no such file, or it does not hold an object of objects.
    """
    path = require_file(folder, rows.file)
    try:
        read = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Any]])
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise BrokenCopyError(
            f"{rows.file}: one JSON object with an object a clip was expected: {error}"
        ) from None
    for number, (key, fields) in enumerate(read.items(), start=1):
        yield TableRow(number, {**fields, KEY_FIELD: key})


def read_joined_rows(folder: Path, join: TableJoin) -> dict[str, Fields]:
    """Return the rows of a second table by the value that they are joined on.

    Raises:
        BrokenCopyError: the table or its column is not there.
    """
    rows: dict[str, Fields] = {}
    for line in iter_table_rows(folder, join):
        if line.fault:
            continue
        if join.on not in line.cells:
            raise BrokenCopyError(f"{join.file}: no column {join.on!r}")
        rows["".join(line.texts(join.on))] = line.cells
    return rows


def _iter_headerless(path: Path, table: TableRows | TableJoin) -> Iterator[TableRow]:
    """Yield the lines of a file without a header."""
    with open(path, encoding="utf-8-sig", newline="") as text:
        for number, line in enumerate(text, start=1):
            if not line.strip() or (table.comment and line.startswith(table.comment)):
                continue
            cells = _split_cells(line.strip("\r\n"), table)
            if len(cells) == len(table.columns):
                yield TableRow(number, dict(zip(table.columns, cells, strict=True)))
            else:
                fault = f"{len(cells)} cells, where {len(table.columns)} were expected"
                yield TableRow(number, fault=fault)


def _split_cells(line: str, table: TableRows | TableJoin) -> list[str]:
    if table.separator == ",":
        return next(csv.reader([line]))
    if len(table.columns) == 1:
        return [line.strip()]
    parts = line.split(table.separator or None, len(table.columns) - 1)
    return [part.strip() for part in parts]


TAG_FIELD = "tag"
"""The field that flags become."""


def frequent_flags(layout: Layout, folder: Path) -> frozenset[str]:
    """Return the columns that most clips have a 1 in; of equal ones those first by name.

    Raises:
        BrokenCopyError: a table is not there.
    """
    if layout.flags is None:
        return frozenset()
    counts = Counter[str]()
    for rows in layout.rows:
        if isinstance(rows, TableRows):
            for line in iter_table_rows(folder, rows):
                counts.update(name for name, cell in line.cells.items() if _is_set(cell))
    for name in layout.flags.besides:
        counts.pop(name, None)
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    return frozenset(ranked[: layout.flags.most_frequent])


def merge_flags(fields: Fields, kept: Collection[str]) -> Fields:
    """Return the fields that are no flags, and the flags of `kept` that are set as one field."""
    tags = [name for name, cell in fields.items() if name in kept and _is_set(cell)]
    return {**fields, TAG_FIELD: tags}


def _is_set(cell: object) -> bool:
    return str(cell).strip() == "1"
