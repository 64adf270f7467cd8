"""Tables of rows as Parquet and JSONL, streamed in bounded memory.

A stage writes the rows that pass to one table and the others to rejected.parquet, so that its
counts add up: in = out + rejected. Equal rows give equal bytes.
"""

from __future__ import annotations

import contextlib
import gzip
import types
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from earmark.io import replace_file
from earmark.records import Rejected, Row

ROW_GROUP_SIZE = 4096
"""Rows that a table writer or reader holds at a time: 10 MB of captions."""

TOTAL_KEYS = ("in", "out", "files")
"""Counts of a stage that are no rejections; "files" were given where some were cut into clips."""

OPTIONAL_COLUMNS = frozenset(
    {"original_captions", "probe", "shots", "metric", "clips", "lower_is_better"}
)
"""Columns that tables of earlier versions lack; their rows are read with the field's default."""

R = TypeVar("R", bound=Row)


def count_rejections(rejected: Iterable[Rejected]) -> dict[str, int]:
    """Return {"stage: reason": count}, most frequent first."""
    return dict(Counter(f"{row.stage}: {row.reason}" for row in rejected).most_common())


def write_stage_rows(
    folder: Path, table: str, rows: Iterable[R | Rejected], kind: type[R]
) -> dict[str, int]:
    """Write a stage's rows into `folder`: those of `kind` to `table`, others to rejected.parquet.

    Rows are written as they come, in bounded memory. Returns the stage's counts: "in", "out", and
    each reason.
    """
    reasons = Counter[str]()
    out = 0
    with (
        TableWriter(folder / table, kind) as passed,
        TableWriter(folder / "rejected.parquet", Rejected) as rejected,
    ):
        for row in rows:
            if isinstance(row, Rejected):
                reasons[f"{row.stage}: {row.reason}"] += 1
                rejected.append(row)
            else:
                out += 1
                passed.append(row)
    return {"in": out + reasons.total(), "out": out, **dict(reasons.most_common())}


def write_parquet(
    path: Path, rows: Iterable[R], kind: type[R], *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write `rows` as zstd Parquet, atomically; `metadata` goes into the schema."""
    with TableWriter(path, kind) as table:
        for row in rows:
            table.append(row)
        table.metadata.update(metadata or {})


class TableWriter(Generic[R]):
    """Writes rows of one kind to zstd Parquet as they come; equal rows give equal bytes.

    The file has its name only after the block has ended well. `metadata` may be set until then.
    """

    def __init__(self, path: Path, kind: type[R]) -> None:
        self.metadata: dict[str, str] = {}
        self._path = path
        self._temporary = path.with_name(path.name + ".tmp")
        self._schema = arrow_schema(kind)
        self._waiting: list[dict[str, Any]] = []
        self._writer: Any = None

    def __enter__(self) -> TableWriter[R]:
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(self._temporary, self._schema, compression="zstd")
        return self

    def append(self, row: R) -> None:
        """Add a row."""
        self._waiting.append(_to_arrow(row))
        if len(self._waiting) >= ROW_GROUP_SIZE:
            self._flush()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
                self._writer.add_key_value_metadata(self.metadata)
        finally:
            self._writer.close()
        if kind is None:
            replace_file(self._temporary, self._path)
        else:
            self._temporary.unlink(missing_ok=True)

    def _flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            self._writer.write_table(pa.Table.from_pylist(self._waiting, schema=self._schema))
            self._waiting.clear()


def read_parquet(path: Path, kind: type[R]) -> list[R]:
    """Read all rows written by `write_parquet`. Raises as `stream_parquet`."""
    return list(stream_parquet(path, kind))


def stream_parquet(path: Path, kind: type[R]) -> Iterator[R]:
    """Yield rows written by `write_parquet`, in bounded memory.

    Raises:
        ValueError: a column is missing (but for those of `OPTIONAL_COLUMNS`) or has another type.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        wanted = set(kind.__struct_fields__) - OPTIONAL_COLUMNS
        if missing := wanted.difference(file.schema_arrow.names):
            raise ValueError(
                f"{path} does not hold {kind.__name__} rows: no column {min(missing)!r}"
            )
        for batch in file.iter_batches(ROW_GROUP_SIZE, use_threads=False):
            plain: list[dict[str, Any]] = batch.to_pylist(maps_as_pydicts="strict")
            try:
                yield from msgspec.convert(plain, list[kind])
            except msgspec.ValidationError as error:
                raise ValueError(f"{path} does not hold {kind.__name__} rows: {error}") from None


def count_rows(path: Path) -> int:
    """Return how many rows a Parquet file has, from its footer."""
    import pyarrow.parquet as pq

    return pq.read_metadata(path).num_rows


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata that `write_parquet` put into a file."""
    import pyarrow.parquet as pq

    found: dict[bytes, bytes] = pq.read_metadata(path).metadata or {}
    own = {key.decode(): value.decode() for key, value in found.items()}
    own.pop("ARROW:schema", None)
    return own


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write one JSON object a line, atomically; gzip where the name ends in .gz."""
    temporary = path.with_name(path.name + ".tmp")
    encoder = msgspec.json.Encoder()
    with open(temporary, "wb") as raw:
        # mtime=0 and no file name: equal rows give equal bytes.
        packed = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if path.suffix == ".gz" else None
        with packed or contextlib.nullcontext(raw) as stream:
            for row in rows:
                stream.write(encoder.encode(row) + b"\n")
    replace_file(temporary, path)


def read_jsonl(path: Path, kind: type[R]) -> Iterator[R]:
    """Read rows written by `write_jsonl`.

    Raises:
        ValueError: a line is not a row of `kind`; the message has the line's number.
    """
    decoder = msgspec.json.Decoder(kind)
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                yield decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise ValueError(f"{path}:{number}: not a {kind.__name__} row: {error}") from None


def arrow_schema(kind: type[Row]) -> Any:
    """Return the Arrow schema of a row type."""
    import pyarrow as pa

    hints = get_type_hints(kind)
    return pa.schema([pa.field(name, _arrow_type(hints[name])) for name in kind.__struct_fields__])


def _arrow_type(hint: Any) -> Any:
    import pyarrow as pa

    plain = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    if hint in plain:
        return plain[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return _arrow_type(type(arguments[0]))
    if origin is tuple or origin is list:
        return pa.list_(_arrow_type(arguments[0]))
    if origin is dict:
        return pa.map_(_arrow_type(arguments[0]), _arrow_type(arguments[1]))
    if origin in (Union, types.UnionType) and type(None) in arguments:
        return _arrow_type(next(a for a in arguments if a is not type(None)))
    raise TypeError(f"no Arrow type for {hint}")


def _to_arrow(row: Row) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(row)
    return {key: list(v.items()) if isinstance(v, dict) else v for key, v in plain.items()}
