"""Rows of a Parquet file: columns id and tags, whatever else there is.

Nothing checks that the text of a Parquet file is UTF-8 before Python reads a value, so this file
does, and rejects the rows whose text is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from jaxtyping import Bool, Int32, Int64

from earmark.annotate.vocabulary.counting.arrays import (
    BadRow,
    Chunk,
    drop_duplicates,
    filter_array,
    map_in_order,
    row_indices,
)
from earmark.config import ConfigError, suggest

NOT_UTF8 = "not UTF-8"
"""The reason that a row is rejected by."""


def is_utf8(values: Any) -> bool:
    """Return whether each string of an Arrow array is UTF-8."""
    import pyarrow as pa

    if _is_ascii(values):
        return True
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def find_not_utf8(values: Any) -> Bool[np.ndarray, " values"]:
    """Return which strings of an Arrow array are not UTF-8; slow, for arrays that are known bad."""
    import pyarrow as pa

    return np.array(
        [not _is_utf8_bytes(value) for value in values.cast(pa.binary()).to_pylist()], bool
    )


def escape_bytes(values: Any, place: int) -> str:
    """Return a string that is not UTF-8, its bytes escaped where they must be."""
    import pyarrow as pa

    value: bytes = values.slice(place, 1).cast(pa.binary())[0].as_py()
    return value.decode(errors="backslashreplace")


def _is_ascii(values: Any) -> bool:
    """Return whether all characters are ASCII, which is told ten times as fast as UTF-8."""
    _, offsets, data = values.buffers()
    if offsets is None or data is None:
        return not len(values)
    bounds = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    used = np.frombuffer(data, np.int8)[bounds[0] : bounds[-1]]
    return bool(used.min(initial=0) >= 0)


def _is_utf8_bytes(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


CHUNK_ROWS = 131_072
"""Rows that a worker reads at a time, in whole row groups."""


def column_names(path: Path) -> list[str]:
    """Return the names of a Parquet file's columns.

    Raises:
        ConfigError: it is no Parquet file, or a damaged one.
    """
    return list(_open(path).schema_arrow.names)


def read_parquet_chunks(path: Path, *, workers: int) -> Iterator[Chunk]:
    """Yield the rows of a Parquet file in order.

    Raises:
        ConfigError: it is damaged, or has no columns id and tags of the right types.
    """
    file = _open(path)
    _check_schema(file.schema_arrow, path)
    footer = file.metadata
    ranges = _group_ranges([footer.row_group(i).num_rows for i in range(footer.num_row_groups)])
    file.close()
    for chunks in map_in_order(lambda groups: _read_groups(path, footer, groups), ranges, workers):
        yield from chunks


def _open(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        _raise_unreadable(path, error)


def _raise_unreadable(path: Path, error: Exception) -> NoReturn:
    raise ConfigError(f"{path} cannot be read as Parquet; fetch or make it again: {error}")


def _check_schema(schema: Any, path: Path) -> None:
    import pyarrow as pa

    for name in ("id", "tags"):
        if name not in schema.names:
            raise ConfigError(f"{path} has no column {name!r}.{suggest(name, schema.names)}")
    kind = schema.field("tags").type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    is_list = is_list or pa.types.is_fixed_size_list(kind)
    if not is_list or not _is_text_type(kind.value_type):
        raise ConfigError(f"{path}: the column tags holds {kind}, expected list<string>")
    kind = schema.field("id").type
    if not _is_text_type(kind) and not pa.types.is_integer(kind):
        raise ConfigError(f"{path}: the column id holds {kind}, expected string")


def _is_text_type(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _is_text_type(kind.value_type)
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_null(kind)
    )


def _group_ranges(rows: Sequence[int]) -> list[list[int]]:
    """Join neighbouring row groups to about CHUNK_ROWS rows."""
    ranges: list[list[int]] = []
    waiting = CHUNK_ROWS
    for group, count in enumerate(rows):
        if waiting >= CHUNK_ROWS:
            ranges.append([])
            waiting = 0
        ranges[-1].append(group)
        waiting += count
    return ranges


def _read_groups(path: Path, footer: Any, groups: Sequence[int]) -> list[Chunk]:
    """Read row groups; a row group of any size comes in pieces of bounded size."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, metadata=footer) as file:
            batches = file.iter_batches(
                CHUNK_ROWS, row_groups=groups, columns=["id", "tags"], use_threads=False
            )
            return [_to_chunk(batch) for batch in batches]
    except (OSError, pa.ArrowException) as error:
        _raise_unreadable(path, error)


def _to_chunk(batch: Any) -> Chunk:
    every_id, every_list = _as_text(batch.column("id")), batch.column("tags")
    faults = _bad_rows(every_id, every_list)
    ids, tags = _drop_rows(faults, every_id), _drop_rows(faults, every_list)
    lengths, encoded, dropped = _flatten(tags)
    if not is_utf8(encoded.dictionary):
        left = np.delete(np.arange(len(every_id)), list(faults))
        faults |= _bad_tags(left, ids, lengths, encoded)
        ids, tags = _drop_rows(faults, every_id), _drop_rows(faults, every_list)
        lengths, encoded, dropped = _flatten(tags)
    lengths, codes = drop_duplicates(
        lengths, encoded.indices.to_numpy().astype(np.int32, copy=False)
    )
    terms = encoded.dictionary.to_pylist()
    told = [faults[row] for row in sorted(faults)]
    return Chunk(ids, lengths, codes, terms, batch.num_rows, told, dropped)


def _drop_rows(faults: Mapping[int, BadRow], column: Any) -> Any:
    if not faults:
        return column
    stays = np.ones(len(column), bool)
    stays[list(faults)] = False
    return filter_array(column, stays)


def _bad_rows(ids: Any, tags: Any) -> dict[int, BadRow]:
    """Return rows without a list of tags, or without an id that is text."""
    import pyarrow.compute

    pc: Any = pyarrow.compute
    found = dict[int, BadRow]()
    for row in _rows_where(pc.fill_null(pc.equal(ids, ""), True)):
        found[row] = BadRow(row, "", "no id")
    if not is_utf8(ids):
        for row in np.flatnonzero(find_not_utf8(ids)).tolist():
            found[row] = BadRow(row, "", NOT_UTF8, f"id {escape_bytes(ids, row)}")
    for row in _rows_where(pc.is_null(tags)):
        if row not in found:
            found[row] = BadRow(row, ids[row].as_py(), "tags are not a list", "null")
    return found


def _bad_tags(
    numbers: Int64[np.ndarray, " rows"], ids: Any, lengths: Int32[np.ndarray, " rows"], tags: Any
) -> dict[int, BadRow]:
    """Return rows with a tag that is no text, by their `numbers`; `tags` are those of all rows."""
    terms, codes = tags.dictionary, tags.indices.to_numpy()
    places = np.flatnonzero(find_not_utf8(terms)[codes])
    rows, first = np.unique(row_indices(lengths)[places], return_index=True)
    return {
        int(numbers[row]): BadRow(
            int(numbers[row]), ids[row].as_py(), NOT_UTF8, f"tag {escape_bytes(terms, int(code))}"
        )
        for row, code in zip(rows.tolist(), codes[places[first]], strict=True)
    }


def _flatten(tags: Any) -> tuple[Int32[np.ndarray, " rows"], Any, Counter[str]]:
    """Return the tags of each row, all as one dictionary array, and what had to be left out."""
    import pyarrow.compute

    pc: Any = pyarrow.compute
    lengths = pc.list_value_length(tags).to_numpy(zero_copy_only=False).astype(np.int32)
    values = _as_text(pc.list_flatten(tags))
    dropped = Counter[str]()
    if values.null_count:
        text = _is_set(pc.is_valid(values))
        rows = np.repeat(np.arange(len(lengths)), lengths)
        lengths = np.bincount(rows[text], minlength=len(lengths)).astype(np.int32)
        dropped["not text"] = values.null_count
        values = values.drop_null()
    return lengths, values.dictionary_encode(), dropped


def _as_text(values: Any) -> Any:
    import pyarrow as pa

    return values if pa.types.is_string(values.type) else values.cast(pa.string())


def _rows_where(values: Any) -> list[int]:
    return np.flatnonzero(_is_set(values)).tolist()


def _is_set(values: Any) -> Bool[np.ndarray, " rows"]:
    return values.to_numpy(zero_copy_only=False)
