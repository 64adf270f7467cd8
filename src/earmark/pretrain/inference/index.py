"""The index file of a search: one vector for each window of each file. Free of torch.

One safetensors file, written whole or not at all, as it grows and only where it has changed:

  vectors [windows, space]   unit vectors, float32 or float16
  owners [windows]           places in the table's files, ascending
  starts_s [windows]         where windows begin in their files, seconds
  table [bytes]              JSON of `IndexTable`: the files, and those left out, with a reason

Paths are relative to the indexed folder, and that to the index file: both can move together.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Float, Float32, Int32
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from earmark.config import ConfigError
from earmark.io import FileStamp

INDEX_FORMAT = 1


class IndexedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was embedded; `path` is relative to the folder."""

    path: str
    stamp: FileStamp


class UnindexedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is not in the index: `reason` is a short fixed word, `detail` is for people.

    `stamp` is None for what was not even tried, such as files without an audio suffix.
    """

    path: str
    reason: str
    detail: str
    stamp: FileStamp | None = None


class IndexTable(msgspec.Struct, frozen=True, kw_only=True):
    """The rest of an index: `checkpoint` is a fingerprint, `folder` relative to the index file."""

    format: int
    checkpoint: str
    folder: str
    files: tuple[IndexedFile, ...]
    lost: tuple[UnindexedFile, ...]


@dataclass(frozen=True)
class SearchIndex:
    """An index in memory; the windows of a file stand behind each other, the files in order."""

    folder: Path
    checkpoint: str
    files: tuple[IndexedFile, ...]
    lost: tuple[UnindexedFile, ...]
    vectors: Float[np.ndarray, "windows space"]
    owners: Int32[np.ndarray, " windows"]
    starts_s: Float32[np.ndarray, " windows"]


def save_index(index: SearchIndex, path: Path) -> None:
    """Write an index; a reader meets the old file or the new one, never half of it."""
    table = IndexTable(
        format=INDEX_FORMAT,
        checkpoint=index.checkpoint,
        folder=os.path.relpath(index.folder, path.absolute().parent),
        files=index.files,
        lost=index.lost,
    )
    arrays = {
        "vectors": np.ascontiguousarray(index.vectors),
        "owners": index.owners,
        "starts_s": index.starts_s,
        "table": np.frombuffer(msgspec.json.encode(table), dtype=np.uint8),
    }
    temporary = _create_temporary(path)
    try:
        save_file(arrays, temporary)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise _unwritable_error(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def check_index_writable(path: Path) -> None:
    """Raise the error of `save_index` now if an index could not be written to `path`.

    Raises:
        ConfigError: its folder is not there or may not be written to, or it is itself a folder.
    """
    if path.is_dir():
        raise ConfigError(f"The index {path} is a folder. Name a file for it (--index FILE).")
    _create_temporary(path).unlink()


def _create_temporary(path: Path) -> Path:
    """Make an empty file beside `path` that no other search has."""
    # tempfile's would be readable by its owner alone, and so would the index.
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise _unwritable_error(path, error) from None
    return temporary


def _unwritable_error(path: Path, error: Exception) -> ConfigError:
    return ConfigError(
        f"The index {path} cannot be written: {error}. Name another file for it (--index FILE)."
    )


def load_index(path: Path) -> SearchIndex:
    """Read an index.

    Raises:
        ConfigError: it is not there, damaged, or of another version; the message says what to do.
    """
    if not path.is_file():
        raise ConfigError(f"There is no index {path}; a search over the folder makes one.")
    try:
        arrays = load_file(path)
        table = msgspec.json.decode(arrays["table"].tobytes(), type=IndexTable)
    except (OSError, SafetensorError, KeyError, msgspec.DecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read as an index: {error}. Delete it; it is made again."
        ) from None
    if table.format != INDEX_FORMAT:
        raise ConfigError(
            f"{path} has format {table.format}; this version of earmark reads {INDEX_FORMAT}. "
            "Delete it; it is made again."
        )
    return SearchIndex(
        folder=Path(os.path.normpath(path.absolute().parent / table.folder)),
        checkpoint=table.checkpoint,
        files=table.files,
        lost=table.lost,
        vectors=arrays["vectors"],
        owners=arrays["owners"],
        starts_s=arrays["starts_s"],
    )


SAVE_INTERVAL_S = 120.0
"""Seconds after which what was listened to is saved: as much as a killed search loses."""


class IndexWriter:
    """Writes an index when it has changed, and at intervals.

    Args:
        path: the index file; None keeps nothing.
        clock: seconds, from any beginning.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._saved: SearchIndex | None = None
        self._saved_at_s = clock()

    def has(self, index: SearchIndex) -> None:
        """Say that this is what the file holds."""
        self._saved = index

    def check(self) -> None:
        """Raise what `save` would raise."""
        if self._path is not None:
            check_index_writable(self._path)

    @property
    def is_due(self) -> bool:
        """Whether the last save is long ago."""
        return self._path is not None and self._clock() - self._saved_at_s >= SAVE_INTERVAL_S

    def save(self, index: SearchIndex) -> None:
        """Write an index, unless the file holds it already."""
        if self._path is not None and not _is_unchanged(index, self._saved):
            save_index(index, self._path)
            self._saved = index
        self._saved_at_s = self._clock()


def _is_unchanged(index: SearchIndex, other: SearchIndex | None) -> bool:
    """Return whether two indexes are of the same files; their vectors follow from those."""
    if other is None or index.vectors.dtype != other.vectors.dtype:
        return False
    mine = (index.checkpoint, index.folder, index.files, index.lost)
    return mine == (other.checkpoint, other.folder, other.files, other.lost)
