"""The contract of a corpus: where clips come from. And what corpora of files share.

`listing_digest` tells whether files have changed; `require_path` explains a path that does not
exist.
"""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from earmark.config import ConfigError, suggest
from earmark.io import file_stamp
from earmark.records import Rejected, Source
from earmark.tables import write_stage_rows


class Corpus(ABC):
    """A pile of audio files with whatever is truly known of them.

    A corpus never opens the audio: it lists files. `scan` listens.
    """

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a digest that changes when a file is added, removed or changed."""

    @abstractmethod
    def rows(self, folder: Path) -> Iterator[Source | Rejected]:
        """Yield one row for each file or table line, in a stable order.

        `folder` is the corpus's own room in the workspace; only a corpus that makes its audio
        writes there, each file whole or not at all, so that a killed run goes on.

        What cannot even be listed (a loop of links, a table row without a path) is Rejected
        with stage "corpus".
        """


def list_corpus(corpus: Corpus, folder: Path) -> dict[str, int]:
    """Write sources.parquet and rejected.parquet into `folder`; returns counts.

    Paths are made absolute, so that later stages may be run from another folder.
    """
    rows = [_absolute_path(row) for row in corpus.rows(folder)]
    return write_stage_rows(folder, "sources.parquet", rows, Source)


def _absolute_path(row: Source | Rejected) -> Source | Rejected:
    if isinstance(row, Rejected):
        return row
    return msgspec.structs.replace(row, path=os.path.abspath(row.path))


def listing_digest(rows: Iterable[Source | Rejected]) -> str:
    """Return 12 hex digits that change with any row, and with the size or time of any file.

    Names, labels, splits and whatever else a row holds count, and so does where the files lie.
    The files are not read: one written in place with equal size and modification time (ns) goes
    unseen.
    """
    encoder = msgspec.json.Encoder()
    digest = hashlib.sha256()
    for row in rows:
        digest.update(encoder.encode(row))
        if isinstance(row, Source):
            digest.update(_stamp_bytes(row.path))
    return digest.hexdigest()[:12]


def require_path(path: Path, what: str) -> Path:
    """Return `path` as an absolute path.

    Raises:
        ConfigError: it is not there (the message has the nearest name that is), or it cannot be
            stored, since its name is not UTF-8.
    """
    absolute = Path(os.path.abspath(path))
    if not is_utf8(str(absolute)):
        raise ConfigError(f"{what}: {escape_name(str(absolute))} is not UTF-8. Rename the folder.")
    if absolute.exists():
        return absolute
    parent, name = absolute.parent, absolute.name
    while not parent.exists():
        parent, name = parent.parent, parent.name
    try:
        siblings = [entry.name for entry in parent.iterdir() if is_utf8(entry.name)]
    except OSError:
        siblings = []
    raise ConfigError(
        f"{what}: {absolute} does not exist: there is no {name!r} in {parent}."
        f"{suggest(name, siblings)}"
    )


def is_utf8(name: str) -> bool:
    """Return whether a file name is valid Unicode, so that JSON and Parquet can hold it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def escape_name(name: str) -> str:
    """Return a file name as valid Unicode; bytes that are not UTF-8 are written as \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _stamp_bytes(path: str) -> bytes:
    try:
        stamp = file_stamp(path)
    except (OSError, ValueError):
        return b"-"
    return f"{stamp.bytes}:{stamp.modified_ns}".encode()
