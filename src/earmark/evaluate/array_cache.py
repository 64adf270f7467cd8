"""Arrays by clip id on disk: some hundred clips a file, each file whole or absent."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import msgspec
import numpy as np

from earmark.io import replace_file, temporary_path

PART_DIGEST_DIGITS = 16


class ArrayCache:
    """The arrays of one kind in a folder of parts; in memory are those that were asked for.

    Args:
        folder: of the parts; need not be there.
        kind: what their names begin with.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder
        self.kind = kind
        self._rows: dict[str, np.ndarray] = {}
        self._names: dict[Path, frozenset[str]] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        """Return the array [rows, dim] of a clip that was found or added."""
        return self._rows[name]

    def find(self, wanted: Collection[str]) -> set[str]:
        """Load what parts have of the wanted clips; return those that none has."""
        missing = {name for name in wanted if name not in self._rows}
        for path in sorted(self.folder.glob(f"{self.kind}-*.safetensors")) if missing else ():
            if path not in self._names:
                self._names[path] = frozenset(part_ids(path))
            if here := missing & self._names[path]:
                self._rows.update(read_part(path, here))
                missing -= here
        return missing

    def add(self, rows: Mapping[str, np.ndarray]) -> None:
        """Keep arrays, in a part of their own; raises OSError where it cannot be written."""
        write_part(self.folder, self.kind, rows)
        self._rows.update(rows)


def write_part(folder: Path, kind: str, rows: Mapping[str, np.ndarray]) -> None:
    """Write arrays [rows, dim] of equal dim, by clip id, as `<kind>-<digest>.safetensors`.

    The folder is made where it is not there. Two processes that write the same part, on whatever
    machines, each leave a whole one.
    """
    from safetensors.numpy import save

    names = list(rows)
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:PART_DIGEST_DIGITS]
    counts = np.array([len(each) for each in rows.values()], np.int64)
    metadata = {"ids": msgspec.json.encode(names).decode()}
    values = np.concatenate(list(rows.values()))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{digest}.safetensors"
    temporary = temporary_path(path)
    temporary.write_bytes(save({"values": values, "counts": counts}, metadata))
    replace_file(temporary, path)


def part_ids(path: Path) -> list[str]:
    """Return the clips of a part; no array is read."""
    from safetensors import safe_open

    with safe_open(path, "np") as part:
        return msgspec.json.decode(part.metadata()["ids"], type=list[str])


def read_part(path: Path, wanted: Collection[str]) -> dict[str, np.ndarray]:
    """Return what `write_part` wrote of the wanted clips."""
    from safetensors import safe_open

    with safe_open(path, "np") as part:
        names = msgspec.json.decode(part.metadata()["ids"], type=list[str])
        values, counts = part.get_tensor("values"), part.get_tensor("counts")
    return dict(_select_rows(names, np.split(values, np.cumsum(counts)[:-1]), wanted))


def _select_rows(
    names: list[str], rows: list[np.ndarray], wanted: Collection[str]
) -> Iterator[tuple[str, np.ndarray]]:
    for name, each in zip(names, rows, strict=True):
        if name in wanted:
            yield name, each.copy()  # a view would hold the whole part in memory
