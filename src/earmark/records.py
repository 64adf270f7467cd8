"""The rows that stages hand to each other, and their Parquet and JSONL form.

Every table is keyed by clip id and written by one stage. One row comes out for each row that goes
in: a result, or a `Rejected` with its stage and reason.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import types
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

SPLITS = ("train", "validation", "test")
"""From what a model sees most of to what it never sees."""

Labels = dict[str, tuple[str, ...]]
"""True labels by field: {"domain": ("music",), "instrument": ("flute", "piano")}."""


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every stored row."""


class Source(Row, frozen=True, kw_only=True):
    """A file that a corpus offers, before anyone has listened to it.

    `name` is unique in the corpus and stable between machines (usually the relative path).
    `recording` and `speaker` are kept on one side of every split. `labels` are true labels; only
    probes and audit may read them, never a captioner or tagger.
    """

    path: str
    name: str
    labels: Labels = {}
    recording: str | None = None
    speaker: str | None = None
    split: str | None = None
    licence: str | None = None
    attribution: str | None = None


class Clip(Source, frozen=True, kw_only=True):
    """A decodable piece of audio.

    `id` is the first 32 hex digits of the SHA-256 of the file's bytes. `peak_dbfs` is the sample
    peak, `loudness_lufs` the integrated loudness of ITU-R BS.1770-4; both are at least -100.
    """

    id: str
    duration_s: float
    sample_rate: int
    channels: int
    peak_dbfs: float
    loudness_lufs: float


class Rejected(Row, frozen=True, kw_only=True):
    """A row that a stage did not pass on. `reason` is a short fixed word, `detail` is for people.

    `id` is the clip id, or the source name where no id could be had.
    """

    id: str
    stage: str
    reason: str
    detail: str = ""


class Caption(Row, frozen=True, kw_only=True):
    """What a captioner wrote: the whole `text`, and its closing `summary` paragraph."""

    id: str
    text: str
    summary: str
    backend: str


class TagSet(Row, frozen=True, kw_only=True):
    """The tags that a tagger read from one caption, most useful first."""

    id: str
    tags: tuple[str, ...]
    backend: str


class Example(Row, frozen=True, kw_only=True):
    """A row of the manifest: everything that pre-training and probes need to know of one clip.

    `tags` and `tag_ids` agree position by position and hold only tags of the vocabulary.
    """

    id: str
    path: str
    name: str
    duration_s: float
    split: str
    recording: str | None
    speaker: str | None
    tags: tuple[str, ...]
    tag_ids: tuple[int, ...]
    caption: str
    summary: str
    labels: Labels


class Score(Row, frozen=True, kw_only=True):
    """One measurement: `encoder` on `task`, with a bootstrap interval and what chance would give.

    `status` is "ok", or the reason why there is no value (then `value`, `low`, `high` are NaN).
    """

    task: str
    encoder: str
    metric: str
    value: float
    low: float
    high: float
    chance: float
    train: int
    test: int
    classes: int
    seed: int
    status: str = "ok"


R = TypeVar("R", bound=Row)


def count_reasons(rejected: Iterable[Rejected]) -> dict[str, int]:
    """Return {"stage: reason": count}, most frequent first."""
    return dict(Counter(f"{row.stage}: {row.reason}" for row in rejected).most_common())


def write_outcome(
    folder: Path, table: str, rows: Sequence[R | Rejected], kind: type[R]
) -> dict[str, int]:
    """Write a stage's rows into `folder`: those of `kind` to `table`, others to rejected.parquet.

    Returns the stage's counts: "in", "out", and each reason.
    """
    passed = [row for row in rows if isinstance(row, kind)]
    rejected = [row for row in rows if isinstance(row, Rejected)]
    write_parquet(folder / table, passed, kind)
    write_parquet(folder / "rejected.parquet", rejected, Rejected)
    return {"in": len(rows), "out": len(passed), **count_reasons(rejected)}


def write_parquet(
    path: Path, rows: Sequence[R], kind: type[R], *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write `rows` as zstd Parquet, atomically; `metadata` goes into the schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = arrow_schema(kind).with_metadata(dict(metadata or {}))
    plain = [_to_arrow(row) for row in rows]
    table = pa.Table.from_pylist(plain, schema=schema)
    temporary = path.with_name(path.name + ".tmp")
    pq.write_table(table, temporary, compression="zstd")
    _publish(temporary, path)


def read_parquet(path: Path, kind: type[R]) -> list[R]:
    """Read rows written by `write_parquet`.

    Raises:
        ValueError: a column is missing or has another type.
    """
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    if missing := set(kind.__struct_fields__).difference(table.column_names):
        raise ValueError(f"{path} does not hold {kind.__name__} rows: no column {min(missing)!r}")
    plain: list[dict[str, Any]] = table.to_pylist(maps_as_pydicts="strict")
    try:
        return msgspec.convert(plain, list[kind])
    except msgspec.ValidationError as error:
        raise ValueError(f"{path} does not hold {kind.__name__} rows: {error}") from None


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata that `write_parquet` put into a file."""
    import pyarrow.parquet as pq

    found: dict[bytes, bytes] = pq.read_schema(path).metadata or {}
    return {key.decode(): value.decode() for key, value in found.items()}


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
    _publish(temporary, path)


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


def _publish(temporary: Path, path: Path) -> None:
    """Give a finished file its name; what bears the name is whole, even after a power cut."""
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


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
