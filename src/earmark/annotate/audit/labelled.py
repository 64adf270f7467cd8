"""Tags beside people's labels, as columns of numbers: a million clips take 100 MB."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Int, UInt64

from earmark.annotate.audit.names import denies

BLOCK = 65_536
"""Rows that are judged at a time."""


class Names:
    """Names by number, in the order in which they came."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def number(self, names: Iterable[str]) -> list[int]:
        """Return the number of each name, a new one where it has none."""
        known = self._numbers
        return [known.setdefault(name, len(known)) for name in names]


class NameLists:
    """Lists of names, one a row, each name once in it."""

    def __init__(self) -> None:
        self.names = Names()
        self._numbers = array("i")
        self._ends = array("q", [0])

    def append(self, names: Iterable[str]) -> None:
        """Add a row."""
        self._numbers.extend(self.names.number(dict.fromkeys(names)))
        self._ends.append(len(self._numbers))

    def uses(self) -> Int[np.ndarray, " names"]:
        """Return how many rows have each name."""
        return np.bincount(np.frombuffer(self._numbers, np.int32), minlength=len(self.names))

    def matrix(self, start: int) -> Any:
        """Return a block of rows as a sparse matrix [rows, names], 1 where a row has a name."""
        from scipy import sparse

        ends = np.frombuffer(self._ends, np.int64)[start : start + BLOCK + 1]
        numbers = np.frombuffer(self._numbers, np.int32)[ends[0] : ends[-1]]
        cells = np.ones(len(numbers), np.int32), numbers, ends - ends[0]
        return sparse.csr_array(cells, shape=(len(ends) - 1, len(self.names)))


class Labelled:
    """Clips or captions that people labelled in one field, with their tags.

    `denied` labels say what is not heard ("no voices"): no tag is to name them, so they are left
    out, and so is a row that has no others.
    """

    def __init__(self) -> None:
        self.tags = NameLists()
        self.labels = NameLists()
        self.domain_names = Names()
        self.denied = 0
        self._recordings = array("Q")
        self._domains = array("i")

    def __len__(self) -> int:
        return len(self._recordings)

    def append(
        self, recording: str, domain: str, tags: Iterable[str], labels: Iterable[str]
    ) -> None:
        """Add a row.

        Args:
            recording: what the row is of; rows of one recording are not independent.
            domain: "" where it is not known.
            tags: all tags of the row.
            labels: all labels of the row in the field.
        """
        given = tuple(dict.fromkeys(labels))
        kept = [label for label in given if not denies(label)]
        self.denied += len(given) - len(kept)
        if kept:
            self.tags.append(tags)
            self.labels.append(kept)
            self._domains.extend(self.domain_names.number([domain]))
            # 64 bits: two of a million recordings are taken for one in 37 million audits.
            digest = hashlib.blake2b(recording.encode(), digest_size=8).digest()
            self._recordings.append(int.from_bytes(digest, "little"))

    @property
    def recordings(self) -> UInt64[np.ndarray, " rows"]:
        """A number for each row, the same for all rows of a recording."""
        return np.frombuffer(self._recordings, np.uint64)

    @property
    def domains(self) -> Int[np.ndarray, " rows"]:
        """The number of each row's domain."""
        return np.frombuffer(self._domains, np.int32)
