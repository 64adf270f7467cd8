"""Clips that a copy of a dataset lists, before any of its audio is opened."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.audio import SUFFIXES
from earmark.corpora.table_reader import Line
from earmark.evaluate.datasets.registry import Layout, NamedFiles, Rows, TableRows
from earmark.evaluate.datasets.tables import (
    BrokenCopyError,
    Fields,
    UnusableError,
    existing_file,
    existing_folder,
    filled,
    flagged,
    joined,
    kept_flags,
    lines_of,
    objects_of,
    several,
    single,
)
from earmark.records import SPLITS, Labels

STORED = SUFFIXES | {".au"}
"""Suffixes of audio files; GTZAN came as .au."""


class AudioFiles:
    """Finds files below `folder`; each of its folders is listed once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listed: dict[str, dict[str, str]] = {}

    def below(self, name: str) -> Iterator[str]:
        """Yield the path below `folder` of every audio file in the folder `name`, in order.

        Hidden files and folders are passed over.

        Raises:
            BrokenCopyError: it is no folder.
        """
        start = existing_folder(self.folder, name)
        for parent, folders, files in os.walk(start):
            folders[:] = sorted(each for each in folders if not each.startswith("."))
            inside = Path(parent).relative_to(self.folder)
            for file in sorted(files):
                if not file.startswith(".") and suffix_of(file):
                    yield (inside / file).as_posix()

    def find(self, path: str) -> Path | None:
        """Return the file that is meant by `path`, or the same under another audio suffix."""
        parent, name = os.path.split(os.path.join(self.folder, path))
        if parent not in self._listed:
            self._listed[parent] = _names(parent)
        listed = self._listed[parent]
        found = listed.get(name) or listed.get(stem_of(name))
        return Path(parent, found) if found else None


def suffix_of(path: str) -> str:
    """Return the suffix of an audio file as it is written; "" of any other."""
    suffix = os.path.splitext(path)[1]
    return suffix if suffix.lower() in STORED else ""


def stem_of(path: str) -> str:
    """Return a path without the suffix of an audio file."""
    return path.removesuffix(suffix_of(path))


def _names(folder: str) -> dict[str, str]:
    """Return the files of a folder by name, and the audio by its stem too."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return {}
    return {stem_of(name): name for name in reversed(names)} | {name: name for name in names}


@dataclass(frozen=True, slots=True)
class Listed:
    """A clip that a copy lists; its `path` is below the copy's folder, or absolute."""

    path: str
    labels: Labels
    recording: str
    split: str
    fold: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A clip that cannot be used: `reason` is a short fixed word, `where` says which one."""

    reason: str
    where: str


def list_clips(layout: Layout, wanted: Sequence[str], folder: Path) -> Iterator[Listed | Lost]:
    """Yield every clip of a copy with its `wanted` labels; of these, the first is asked for.

    Reasons of those lost are "broken row", "no path", "name not understood", "no label", "no
    split", "unknown split" and "not joined" (the second table does not know the clip).

    Raises:
        BrokenCopyError: a table, a folder or a field is not there.
    """
    reader = _Reader(layout, tuple(wanted), folder)
    for rows in layout.rows:
        if isinstance(rows, NamedFiles):
            yield from (reader.read(rows, path, Line(0)) for path in _named(rows, layout, folder))
        else:
            table = isinstance(rows, TableRows)
            lines = lines_of(folder, rows) if table else objects_of(folder, rows)
            yield from (reader.read(rows, "", line) for line in lines)


def _named(rows: NamedFiles, layout: Layout, folder: Path) -> Iterator[str]:
    """Yield the paths of files whose name fits; raises BrokenCopyError where there is none."""
    fits = re.compile(layout.name).fullmatch
    found = False
    for path in AudioFiles(folder).below(rows.folder):
        if fits(stem_of(path)):
            found = True
            yield path
    if not found:
        raise BrokenCopyError(
            f"expected audio files in {folder / rows.folder} whose path below {folder} is of the "
            f"form {layout.name}, found none"
        )


class _Reader:
    """Turns rows into clips."""

    def __init__(self, layout: Layout, wanted: tuple[str, ...], folder: Path) -> None:
        self.layout = layout
        self.wanted = wanted
        self.name = re.compile(layout.name)
        self.joined = joined(folder, layout.join) if layout.join else {}
        self.flags = kept_flags(layout, folder)
        self.split_of = {
            line.strip(): split
            for split, file in layout.lists.items()
            for line in existing_file(folder, file).read_text("utf-8").splitlines()
        }

    def read(self, rows: Rows, path: str, line: Line) -> Listed | Lost:
        """Return the clip of a row: of a file known by its `path`, or of a table's line."""
        file = path if isinstance(rows, NamedFiles) else rows.file
        where = path or f"{file}:{line.number}"
        if line.fault:
            return Lost("broken row", where)
        try:
            path = path or self._path(rows, line.cells, file)
            return self._clip(rows, path, self._fields(path, line.cells), file)
        except UnusableError as error:
            return Lost(error.reason, where)

    def _path(self, rows: Rows, cells: Fields, file: str) -> str:
        template = "" if isinstance(rows, NamedFiles) else rows.path
        path = filled(template, cells, file)
        if not path:
            raise UnusableError("no path")
        return path

    def _fields(self, path: str, cells: dict[str, Any]) -> Fields:
        """Return all fields of a clip: of its row, of its name, and of what is joined."""
        fields: dict[str, Any] = dict(cells)
        if self.layout.name:
            fit = self.name.fullmatch(stem_of(path))
            if fit is None:
                raise UnusableError("name not understood")
            fields.update(fit.groupdict())
        if self.layout.join:
            key = str(fields.get(self.layout.join.on, ""))
            if key not in self.joined:
                raise UnusableError("not joined")
            fields.update(self.joined[key])
        return flagged(fields, self.flags) if self.layout.flags else fields

    def _clip(self, rows: Rows, path: str, fields: Fields, file: str) -> Listed:
        layout = self.layout
        asked, *others = self.wanted
        labels = {asked: self._values(asked, fields, file)}
        if not labels[asked]:
            raise UnusableError("no label")
        labels |= {name: several(name, fields, file) for name in others}
        return Listed(
            path=path,
            labels={name: values for name, values in labels.items() if values},
            recording=filled(layout.recording, fields, file),
            split=rows.split or self._split(path, fields, file),
            fold=single(layout.fold, fields, file) if layout.fold else "",
        )

    def _values(self, name: str, fields: Fields, file: str) -> tuple[str, ...]:
        found = several(name, fields, file)
        if self.layout.several:
            parts = (part.strip() for text in found for part in text.split(self.layout.several))
            found = tuple(dict.fromkeys(part for part in parts if part))
        return tuple(self.layout.values.get(value, value) for value in found)

    def _split(self, path: str, fields: Fields, file: str) -> str:
        layout = self.layout
        if layout.lists:
            return self.split_of.get(path, "train")
        if not layout.split:
            return ""
        value = single(layout.split, fields, file)
        split = layout.splits.get(value) if layout.splits else value
        if split not in SPLITS:
            raise UnusableError("unknown split" if value else "no split")
        return split
