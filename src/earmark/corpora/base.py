"""The contract of a corpus: where clips come from."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import msgspec

from earmark.records import Rejected, Source, write_outcome


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
    rows = [_absolute(row) for row in corpus.rows(folder)]
    return write_outcome(folder, "sources.parquet", rows, Source)


def _absolute(row: Source | Rejected) -> Source | Rejected:
    if isinstance(row, Rejected):
        return row
    return msgspec.structs.replace(row, path=os.path.abspath(row.path))
