"""Read the rows of a CSV, TSV or JSONL table, compressed with gzip or not."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import msgspec

from earmark.config import ConfigError

DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_LINES_SUFFIXES = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class TableRow:
    """One row of a table; `number` is the line where it starts, counted from 1.

    `fault` says why a row cannot be read; then it has no cells.
    """

    number: int
    cells: dict[str, Any] = field(default_factory=dict[str, Any])
    fault: str = ""

    def texts(self, column: str) -> tuple[str, ...]:
        """Return what a cell says as text; none where it is blank or not there.

        Raises:
            ValueError: the cell holds what no text can be made of.
        """
        return cell_texts(self.cells.get(column))


def table_format(path: Path, setting: str = "corpus.path") -> str:
    """Return the suffix that tells a table's format, ".gz" left off; `setting` names the table.

    Raises:
        ConfigError: it is none that can be read.
    """
    packed = path.suffix.lower() == ".gz"
    suffix = Path(path.stem if packed else path.name).suffix.lower()
    known = (*DELIMITERS, *JSON_LINES_SUFFIXES)
    if suffix not in known:
        raise ConfigError(
            f"{setting}: {path} has none of the suffixes {', '.join(known)} (each also with "
            ".gz), so its format is unknown. Rename it, or turn it into one of these."
        )
    return suffix


def read_table_rows(path: Path, delimiter: str | None = None) -> Iterator[TableRow]:
    """Yield the rows of a table; blank lines are no rows.

    `delimiter` separates CSV cells where it is not what the suffix says.

    Raises:
        ConfigError: the file cannot be read, is not UTF-8, or has no usable header.
    """
    suffix = table_format(path)
    with _table_errors(path), _open_table(path) as stream:
        if suffix in JSON_LINES_SUFFIXES:
            yield from _read_json_rows(stream)
        else:
            with io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
                yield from _read_csv_rows(path, text, delimiter or DELIMITERS[suffix])


def cell_texts(cell: Any) -> tuple[str, ...]:
    """Return what a cell says as stripped text: none for a blank one, several for a list.

    Whole numbers are written without a decimal point, so that 1, 1.0 and "1" agree.

    Raises:
        ValueError: the cell holds an object or a list of lists.
    """
    if isinstance(cell, list):
        items = cast("list[Any]", cell)
        if any(isinstance(item, list) for item in items):
            raise ValueError("a list within a list")
        return tuple(dict.fromkeys(text for item in items for text in cell_texts(item)))
    if isinstance(cell, dict):
        raise ValueError("an object, where text, a number or a list of these was expected")
    if isinstance(cell, bool):
        return ("true" if cell else "false",)
    if isinstance(cell, float) and cell.is_integer():
        return (str(int(cell)),)
    text = "" if cell is None else str(cell).strip()
    return (text,) if text else ()


def _read_json_rows(stream: BinaryIO) -> Iterator[TableRow]:
    decoder = msgspec.json.Decoder()
    for number, line in enumerate(stream, start=1):
        text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if not text.strip():
            continue
        try:
            cells = decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield TableRow(number, fault=f"not valid JSON: {error}")
            continue
        if isinstance(cells, dict):
            yield TableRow(number, cast("dict[str, Any]", cells))
        else:
            yield TableRow(number, fault="not a JSON object ({...})")


def _read_csv_rows(path: Path, text: TextIO, delimiter: str) -> Iterator[TableRow]:
    reader = csv.reader(text, delimiter=delimiter)
    header = [name.strip() for name in next(reader, [])]
    if not any(header):
        raise ConfigError(f"{path} has no header: its first line should name the columns.")
    if doubled := [name for name in header if header.count(name) > 1]:
        raise ConfigError(f"{path} has two columns that are named {doubled[0]!r}. Rename one.")
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield TableRow(number, fault=f"not valid CSV: {error}")
            continue
        if cells is None:
            return
        if cells and len(cells) != len(header):
            yield TableRow(number, fault=f"{len(cells)} cells, where the header has {len(header)}")
        elif cells:
            yield TableRow(number, dict(zip(header, cells, strict=True)))


@contextmanager
def _open_table(path: Path) -> Generator[BinaryIO]:
    with gzip.open(path) if path.suffix.lower() == ".gz" else open(path, "rb") as stream:
        yield cast("BinaryIO", stream)


@contextmanager
def _table_errors(path: Path) -> Generator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 ({error.reason}). If it is Latin-1, write: "
            f"iconv -f latin1 -t utf8 {path.name} > new.csv"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigError(f"{path} is not a whole gzip file: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
