"""Clips beside their tags, row by row: what an audit holds of a corpus does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from earmark.records import ROW_GROUP

Cells = tuple[Any, ...]


def joined(
    clips: Path, tags: Path, *columns: str, fields: Sequence[str] = ()
) -> Iterator[tuple[Cells, tuple[str, ...] | None]]:
    """Yield cells of each clip, as `read_columns`, and its tags; None where it has no row of tags.

    Tags stand in the order of their clips, so two rows at a time are enough. Where they do not,
    all of them are held in memory.

    Raises:
        ValueError: a table has not the columns.
    """
    rows = read_columns(clips, "id", *columns, fields=fields)
    if not _in_order(clips, tags):
        held = {name: tuple(own) for name, own in read_columns(tags, "id", "tags")}
        yield from ((tuple(cells), held.get(name)) for name, *cells in rows)
        return
    waiting = read_columns(tags, "id", "tags")
    tagged, own = next(waiting, (None, ()))
    for name, *cells in rows:
        if name != tagged:
            yield tuple(cells), None
            continue
        yield tuple(cells), tuple(own)
        tagged, own = next(waiting, (None, ()))


def read_columns(path: Path, *columns: str, fields: Sequence[str] = ()) -> Iterator[Cells]:
    """Yield some columns of a table, row by row, in bounded memory: faster than whole rows.

    After them come the labels of some label fields, a list each, None where a clip has none.

    Raises:
        ValueError: the table has not the columns.
    """
    for batch in _batches(path, *columns, *(["labels"] if fields else ())):
        cells = [batch.column(name).to_pylist() for name in columns]
        labels = (_labels(batch.column("labels"), field) for field in fields)
        yield from zip(*cells, *labels, strict=True)


def _labels(labels: Any, field: str) -> list[list[str] | None]:
    import pyarrow as pa
    import pyarrow.compute as pc

    options = pc.MapLookupOptions(pa.scalar(field), "first")
    return pc.call_function("map_lookup", [labels], options).to_pylist()


def label_values(clips: Path) -> Iterator[tuple[str, str]]:
    """Yield (field, label) of clips, each pair once for every few thousand clips that have it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in _batches(clips, "labels"):
        fields, labels = batch.column("labels").keys, batch.column("labels").items
        pairs = pa.table(
            [fields.take(pc.call_function("list_parent_indices", [labels])), labels.flatten()],
            ["f", "l"],
        )
        once = pairs.group_by(["f", "l"]).aggregate([])
        yield from zip(once.column("f").to_pylist(), once.column("l").to_pylist(), strict=True)


def _in_order(clips: Path, tags: Path) -> bool:
    """Return whether tags stand in the order of their clips, at most one row for each."""
    waiting = read_columns(tags, "id")
    tagged = next(waiting, None)
    for name in read_columns(clips, "id"):
        if name == tagged:
            tagged = next(waiting, None)
    return tagged is None


def _batches(path: Path, *columns: str) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        if missing := set(columns).difference(file.schema_arrow.names):
            raise ValueError(f"{path} has no column {min(missing)!r}")
        yield from file.iter_batches(ROW_GROUP, columns=list(columns), use_threads=False)
