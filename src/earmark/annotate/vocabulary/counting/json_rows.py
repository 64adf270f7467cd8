"""Rows of JSON lines: {"id", "tags"} objects, or the cuts of a Lhotse manifest.

A block of lines is decoded into typed structs at once; other fields (captions above all) are
skipped. Only where that fails is the block decoded line by line, and only a line that fails again
is parsed without types, to say what is wrong with it.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Annotated, Any

import msgspec
import numpy as np
from jaxtyping import Int64

from earmark.annotate.vocabulary.counting.arrays import BadRow, Chunk, drop_duplicates

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DETAIL = 200  # characters of a faulty value that are told

_BRACE, _NEWLINE = b"{\n"
_BROKEN = object()
_MISSING = object()

_Id = Annotated[str, msgspec.Meta(min_length=1)] | int


class TagRow(msgspec.Struct, gc=False):
    """A bare row; whatever else it has is not read."""

    id: _Id
    tags: list[str]


class _Custom(msgspec.Struct, gc=False):
    audio_tag: list[str]


class _Supervision(msgspec.Struct, gc=False):
    custom: _Custom


class LhotseCut(msgspec.Struct, gc=False):
    """A cut of a Lhotse manifest."""

    id: _Id
    supervisions: Annotated[list[_Supervision], msgspec.Meta(min_length=1)]

    @property
    def tags(self) -> list[str]:
        """What the first supervision was annotated with."""
        return self.supervisions[0].custom.audio_tag


JsonRow = TagRow | LhotseCut


def detect_row_type(blocks: Iterable[bytes]) -> type[JsonRow]:
    """Return what the first good row of some blocks of lines is; a bare row where there is none."""
    for block in blocks:
        for line in block.splitlines():
            row = _parse_loose(line)
            if isinstance(row, dict) and "id" in row and ("tags" in row or "supervisions" in row):
                return TagRow if "tags" in row else LhotseCut
    return TagRow


def decode_block(block: bytes, kind: type[JsonRow]) -> Chunk:
    """Decode whole lines; `kind` is what each should be."""
    block = block.removeprefix(_BYTE_ORDER_MARK)
    decoder = msgspec.json.Decoder(kind)
    starts = _line_starts(block)
    rows: Sequence[JsonRow] = ()
    # The decoder would also take two objects on one line, or one on two.
    if all(block[start] == _BRACE for start in starts.tolist()):
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            rows = decoder.decode_lines(block)
    if len(rows) == len(starts):
        return _encode_rows(rows, len(starts), [], Counter())
    return _decode_each(block.split(b"\n")[: len(starts)], kind, decoder.decode)


def _line_starts(block: bytes) -> Int64[np.ndarray, " lines"]:
    """Return where each line starts; the end of the last one starts none."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _NEWLINE)
    starts = np.concatenate([[0], ends + 1])
    return starts[: np.searchsorted(starts, len(block))]


def _decode_each(
    lines: Sequence[bytes], kind: type[JsonRow], decode: Callable[[bytes], JsonRow]
) -> Chunk:
    """Decode lines one by one; blank ones are no rows."""
    rows: list[JsonRow] = []
    faults: list[BadRow] = []
    dropped = Counter[str]()
    for number, line in enumerate(lines):
        try:
            rows.append(decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if not line.strip():
                continue
            row = _repair_row(line, number, kind, dropped)
            if isinstance(row, BadRow):
                faults.append(row)
            else:
                rows.append(row)
    return _encode_rows(rows, len(lines), faults, dropped)


def _encode_rows(
    rows: Sequence[JsonRow], read: int, faults: Sequence[BadRow], dropped: Counter[str]
) -> Chunk:
    import pyarrow as pa

    codes_of: defaultdict[str, int] = defaultdict(count().__next__)
    codes: list[int] = []
    lengths: list[int] = []
    for row in rows:
        tags = row.tags
        lengths.append(len(tags))
        codes.extend(map(codes_of.__getitem__, tags))
    ids = pa.array([str(row.id) for row in rows], pa.string())
    fewer, once = drop_duplicates(np.array(lengths, np.int32), np.array(codes, np.int32))
    return Chunk(ids, fewer, once, list(codes_of), read, faults, dropped)


def _repair_row(
    line: bytes, number: int, kind: type[JsonRow], dropped: Counter[str]
) -> TagRow | BadRow:
    """Read a line that is not as it should be: drop elements that are no text, or say its fault."""
    row = _parse_loose(line)
    if row is _BROKEN:
        return BadRow(number, "", "not valid JSON", line[:_DETAIL].decode(errors="replace"))
    if not isinstance(row, dict):
        return BadRow(number, "", "not an object", _shorten(row))
    name = row.get("id")
    if isinstance(name, bool) or not isinstance(name, str | int | float) or not _is_text(str(name)):
        return BadRow(number, "", "no id", _shorten(name))
    tags = _loose_tags(row, kind)
    if tags is _MISSING:
        return BadRow(number, str(name), "no tags")
    if not isinstance(tags, list):
        return BadRow(number, str(name), "tags are not a list", _shorten(tags))
    text = [tag for tag in tags if isinstance(tag, str) and (not tag or _is_text(tag))]
    if len(text) < len(tags):
        dropped["not text"] += len(tags) - len(text)
    return TagRow(str(name), text)


def _parse_loose(line: bytes) -> Any:
    """Return whatever a line holds, NaN and half surrogates too; _BROKEN where it is no JSON."""
    try:
        return json.loads(line.removeprefix(_BYTE_ORDER_MARK).decode())
    except (ValueError, RecursionError):
        return _BROKEN


def _loose_tags(row: dict[str, Any], kind: type[JsonRow]) -> Any:
    """Return what stands where a row's tags should be; _MISSING where nothing does."""
    path = ("tags",) if kind is TagRow else ("supervisions", 0, "custom", "audio_tag")
    found: Any = row
    for step in path:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            return _MISSING
    return found


def _is_text(value: str) -> bool:
    """Return whether a string has characters, all of which UTF-8 can write."""
    try:
        return bool(value.encode())
    except UnicodeEncodeError:
        return False


def _shorten(value: Any) -> str:
    return json.dumps(value)[:_DETAIL]
