"""A table of clips with labels and splits: CSV, TSV or JSONL, one row a clip. Rows are selected by
the values of columns, and up to a limit.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field

from earmark.config import Config, ConfigError, PositiveInt, suggest
from earmark.corpora.base import Corpus, listing_digest, require_path
from earmark.corpora.table_reader import TableRow, read_table_rows, table_format
from earmark.records import SPLITS, Rejected, Source

SplitName = Literal["train", "validation", "test"]


class TableConfig(Config, frozen=True, kw_only=True, tag="table", tag_field="kind"):
    """Clips as a table lists them. Values are compared as text: 1, 1.0 and "1" are one value.

    Args:
        path: a .csv, .tsv, .jsonl or .ndjson file in UTF-8, or one of these packed as .gz.
        audio_root: the folder that paths in the table start from; the table's own by default.
            Paths that leave it are rejected ("/" allows all).
        path_column: the column with the path of the audio.
        name_column: the column with a name of the clip that no other row has; the path below
            audio_root by default.
        labels: columns to take as true labels; a blank cell means that nothing is known. A JSON
            list is several labels.
        label_separator: what stands between labels in one cell, as ";" in "dog;rain".
        recording_column: clips that agree here are kept on one side of every split.
        speaker_column: likewise.
        split_column: the column that says which split a clip belongs to; blank cells are left to
            the manifest.
        splits: from the split column's values to train, validation and test, where they are not
            these words: {1 = "train", 2 = "test"}.
        licence_column: the column with a clip's licence.
        attribution_column: the column with whom to name.
        captions_column: the column with the words that came with a clip: one text, or a JSON list
            of several. Only baselines learn from them (objective.text = "original").
        where: by column, the values to take. Other rows are not asked for, so not rejected.
        limit: take at most so many rows, spread over the table, the same ones each time.
        delimiter: what separates CSV cells, where it is neither a comma (.csv) nor a tab (.tsv).
    """

    path: str
    audio_root: str | None = None
    path_column: str = "path"
    name_column: str | None = None
    labels: tuple[str, ...] = ()
    label_separator: Annotated[str, Meta(min_length=1)] | None = None
    recording_column: str | None = None
    speaker_column: str | None = None
    split_column: str | None = None
    splits: dict[str, SplitName] = field(default_factory=dict[str, SplitName])
    licence_column: str | None = None
    attribution_column: str | None = None
    captions_column: str | None = None
    where: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    limit: PositiveInt | None = None
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] | None = None

    def check(self) -> None:
        """Refuse a translation of nothing. Raises ConfigError."""
        if self.splits and self.split_column is None:
            raise ConfigError("splits needs split_column, the column that it explains")

    def build(self) -> Corpus:
        """Read the table once, to know its columns and how many of its rows are asked for.

        Raises:
            ConfigError: the table or the audio folder is not there, a column that is asked for
                is in no row, or no row is asked for.
        """
        table = require_path(Path(self.path), "corpus.path")
        table_format(table)
        root = require_path(Path(self.audio_root), "corpus.audio_root") if self.audio_root else None
        return TableCorpus(self, table, root or table.parent, count_selected(self, table))


@dataclass(frozen=True)
class TableCorpus(Corpus):
    """The rows of `table` that the config asks for, `asked` of them before its limit.

    A row that cannot be offered is Rejected with stage "corpus", its table and line as the id, and
    one of these reasons:

    - "broken row": not valid JSON or CSV, or a cell that holds neither text nor a number;
    - "no path", "no name": that cell is blank;
    - "outside audio_root": the path leaves the folder;
    - "unknown split": a value that neither is a split nor stands in `splits`;
    - "duplicate row": an earlier row has the same path or name.

    Whether the file is there is for `scan` to find out.
    """

    config: TableConfig
    table: Path
    root: Path
    asked: int

    def fingerprint(self) -> str:
        """Return a digest of the rows offered, with each file's size and modification time.

        Columns that are not asked for do not count.
        """
        return listing_digest(self._offered())

    def rows(self, folder: Path) -> Iterator[Source | Rejected]:
        """Yield one row for each row of the table that is asked for, in the table's order."""
        return self._offered()

    def _offered(self) -> Iterator[Source | Rejected]:
        taken: dict[tuple[str, str], int] = {}
        for line in self._chosen():
            row = self._row(line)
            yield row if isinstance(row, Rejected) else self._once(row, line, taken)

    def _once(
        self, row: Source, line: TableRow, taken: dict[tuple[str, str], int]
    ) -> Source | Rejected:
        """Return the row, or why not: an earlier line in `taken` has its path or name."""
        keys = (("path", row.path), ("name", row.name))
        for what, value in keys:
            if (what, value) in taken:
                detail = f"line {taken[what, value]} has the same {what}: {value}"
                return self._rejected(line, "duplicate row", detail)
        taken.update(dict.fromkeys(keys, line.number))
        return row

    def _chosen(self) -> Iterator[TableRow]:
        """Yield the asked lines that the limit leaves: one of each of `limit` equal stretches."""
        every = read_table_rows(self.table, self.config.delimiter)
        lines = (line for line in every if is_selected(line, self.config))
        limit = self.config.limit
        if limit is None or limit >= self.asked:
            yield from lines
            return
        chosen = {position_in_stretch(index, limit, self.asked) for index in range(limit)}
        yield from (line for position, line in enumerate(lines) if position in chosen)

    def _row(self, line: TableRow) -> Source | Rejected:
        if line.fault:
            return self._rejected(line, "broken row", line.fault)
        try:
            return self._source(line)
        except _RowError as error:
            return self._rejected(line, error.reason, error.detail)

    def _source(self, line: TableRow) -> Source:
        config = self.config
        path = self._path(line)
        name = path if config.name_column is None else _single_text(line, config.name_column)
        if not name:
            raise _RowError("no name", f"the cell {config.name_column!r} is blank")
        labels = {column: self._labels(line, column) for column in config.labels}
        return Source(
            path=os.path.join(self.root, path),
            name=name,
            labels={column: values for column, values in labels.items() if values},
            recording=_single_text(line, config.recording_column),
            speaker=_single_text(line, config.speaker_column),
            split=self._split(line),
            licence=_single_text(line, config.licence_column),
            attribution=_single_text(line, config.attribution_column),
            original_captions=_row_texts(line, config.captions_column)
            if config.captions_column
            else (),
        )

    def _path(self, line: TableRow) -> str:
        """Return the normal form of a row's path below the root, with slashes."""
        given = _single_text(line, self.config.path_column)
        if not given:
            raise _RowError("no path", f"the cell {self.config.path_column!r} is blank")
        if "\0" in given:
            raise _RowError("broken row", "the path has a null character")
        path = os.path.relpath(os.path.join(self.root, given), self.root)
        if path == ".." or path.startswith("../"):
            raise _RowError(
                "outside audio_root", f"{given} is not below {self.root}; set audio_root"
            )
        return path

    def _labels(self, line: TableRow, column: str) -> tuple[str, ...]:
        cell = _row_texts(line, column)
        separator = self.config.label_separator
        if separator is None:
            return cell
        parts = (part.strip() for text in cell for part in text.split(separator))
        return tuple(dict.fromkeys(part for part in parts if part))

    def _split(self, line: TableRow) -> str | None:
        value = _single_text(line, self.config.split_column)
        if value is None:
            return None
        split = self.config.splits.get(value) if self.config.splits else value
        if split not in SPLITS:
            known = suggest(value, self.config.splits or SPLITS)
            raise _RowError("unknown split", f"{self.config.split_column} = {value!r}.{known}")
        return split

    def _rejected(self, line: TableRow, reason: str, detail: str) -> Rejected:
        where = f"{self.table.name}:{line.number}"
        return Rejected(id=where, stage="corpus", reason=reason, detail=detail)


class _RowError(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def _row_texts(line: TableRow, column: str) -> tuple[str, ...]:
    try:
        return line.texts(column)
    except ValueError as error:
        raise _RowError("broken row", f"the cell {column!r} holds {error}") from None


def _single_text(line: TableRow, column: str | None) -> str | None:
    """Return a cell's single text, None for a blank one."""
    if column is None:
        return None
    found = _row_texts(line, column)
    if len(found) > 1:
        raise _RowError("broken row", f"the cell {column!r} holds {len(found)} values")
    return found[0] if found else None


MAX_LISTED_VALUES = 1000  # of a column, as many as an error message chooses the nearest from


def is_selected(line: TableRow, config: TableConfig) -> bool:
    """Return whether `where` takes the row; a broken one counts, as nobody knows what it was."""
    return bool(line.fault) or all(
        any(text in values for text in _texts_or_none(line, column))
        for column, values in config.where.items()
    )


def count_selected(config: TableConfig, table: Path) -> int:
    """Count the rows that are asked for.

    Raises:
        ConfigError: a column that the config names is in no row, or no row is asked for.
    """
    columns: set[str] = set()
    values: dict[str, set[str]] = {column: set() for column in config.where}
    asked = readable = 0
    fault = "it has none"
    for line in read_table_rows(table, config.delimiter):
        columns.update(line.cells)
        if line.fault:
            fault = f"line {line.number} is {line.fault}"
        if is_selected(line, config):
            asked += 1
            readable += not line.fault
        for column, found in values.items():
            if len(found) < MAX_LISTED_VALUES:
                found.update(_texts_or_none(line, column))
    if not columns:
        raise ConfigError(f"{table}: no row can be read: {fault}")
    for setting, column in _named_columns(config):
        if column not in columns:
            raise ConfigError(
                f"corpus.{setting}: {table} has no column {column!r}.{suggest(column, columns)}"
            )
    if not readable:
        raise ConfigError(_nothing_selected_message(config, table, values))
    return asked


def _named_columns(config: TableConfig) -> Iterator[tuple[str, str]]:
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


def _nothing_selected_message(config: TableConfig, table: Path, values: dict[str, set[str]]) -> str:
    for column, wanted in config.where.items():
        if not values[column].intersection(wanted):
            known = suggest(wanted[0] if wanted else "", values[column])
            return f"corpus.where: no row of {table} has {column} = {list(wanted)}.{known}"
    return f"corpus.where: no row of {table} fits all of {config.where} at once"


def position_in_stretch(index: int, limit: int, total: int) -> int:
    """Return a position in stretch `index` of `limit`.

    Not always the same place in a stretch: tables often run through folds or classes in turn.
    """
    start, stop = index * total // limit, (index + 1) * total // limit
    draw = int.from_bytes(hashlib.sha256(f"{index}".encode()).digest()[:8], "big")
    return start + draw % (stop - start)


def _texts_or_none(line: TableRow, column: str) -> tuple[str, ...]:
    try:
        return line.texts(column)
    except ValueError:
        return ()
