"""Clips that a copy of a dataset lists, before any of its audio is opened."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.audio import AUDIO_SUFFIXES
from earmark.corpora.table_reader import TableRow
from earmark.evaluate.dataset_registry import Layout, NamedFiles, RowSource, TableRows
from earmark.evaluate.datasets.tables import (
    BrokenCopyError,
    Fields,
    UnusableRowError,
    field_value,
    field_values,
    fill_template,
    frequent_flags,
    iter_json_rows,
    iter_table_rows,
    merge_flags,
    read_joined_rows,
    require_file,
    require_folder,
)
from earmark.records import SPLITS, Labels

SUFFIXES = AUDIO_SUFFIXES | {".au"}
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
        start = require_folder(self.folder, name)
        for parent, folders, files in os.walk(start):
            folders[:] = sorted(each for each in folders if not each.startswith("."))
            inside = Path(parent).relative_to(self.folder)
            for file in sorted(files):
                if not file.startswith(".") and audio_suffix(file):
                    yield (inside / file).as_posix()

    def find(self, path: str) -> Path | None:
        """Return the file that is meant by `path`, or the same under another audio suffix."""
        parent, name = os.path.split(os.path.join(self.folder, path))
        if parent not in self._listed:
            self._listed[parent] = _list_folder(parent)
        listed = self._listed[parent]
        found = listed.get(name) or listed.get(audio_stem(name))
        return Path(parent, found) if found else None


def audio_suffix(path: str) -> str:
    """Return the suffix of an audio file as it is written; "" of any other."""
    suffix = os.path.splitext(path)[1]
    return suffix if suffix.lower() in SUFFIXES else ""


def audio_stem(path: str) -> str:
    """Return a path without the suffix of an audio file."""
    return path.removesuffix(audio_suffix(path))


def _list_folder(folder: str) -> dict[str, str]:
    """Return the files of a folder by name, and the audio by its stem too."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return {}
    return {audio_stem(name): name for name in reversed(names)} | {name: name for name in names}


@dataclass(frozen=True, slots=True)
class ListedClip:
    """A clip that a copy lists; its `path` is below the copy's folder, or absolute."""

    path: str
    labels: Labels
    recording: str
    split: str
    fold: str


@dataclass(frozen=True, slots=True)
class UnusableRow:
    """A clip that cannot be used: `reason` is a short fixed word, `where` says which one."""

    reason: str
    where: str


def list_clips(
    layout: Layout, wanted: Sequence[str], folder: Path
) -> Iterator[ListedClip | UnusableRow]:
    """Yield every clip of a copy with its `wanted` labels; of these, the first is asked for.

    Reasons of those lost are "broken row", "no path", "name not understood", "no label", "no
    split", "unknown split" and "not joined" (the second table does not know the clip).

    Raises:
        BrokenCopyError: a table, a folder or a field is not there.
    """
    reader = _RowReader(layout, tuple(wanted), folder)
    for rows in layout.rows:
        if isinstance(rows, NamedFiles):
            yield from (
                reader.read(rows, path, TableRow(0))
                for path in _matching_paths(rows, layout, folder)
            )
        else:
            table = isinstance(rows, TableRows)
            lines = iter_table_rows(folder, rows) if table else iter_json_rows(folder, rows)
            yield from (reader.read(rows, "", line) for line in lines)


def _matching_paths(rows: NamedFiles, layout: Layout, folder: Path) -> Iterator[str]:
    """Yield the paths of files whose name fits; raises BrokenCopyError where there is none."""
    fits = re.compile(layout.name).fullmatch
    found = False
    for path in AudioFiles(folder).below(rows.folder):
        if fits(audio_stem(path)):
            found = True
            yield path
    if not found:
        raise BrokenCopyError(
            f"expected audio files in {folder / rows.folder} whose path below {folder} is of the "
            f"form {layout.name}, found none"
        )


class _RowReader:
    """Turns rows into clips."""

    def __init__(self, layout: Layout, wanted: tuple[str, ...], folder: Path) -> None:
        self.layout = layout
        self.wanted = wanted
        self.name = re.compile(layout.name)
        self.joined = read_joined_rows(folder, layout.join) if layout.join else {}
        self.flags = frequent_flags(layout, folder)
        self.split_of = {
            line.strip(): split
            for split, file in layout.lists.items()
            for line in require_file(folder, file).read_text("utf-8").splitlines()
        }

    def read(self, rows: RowSource, path: str, line: TableRow) -> ListedClip | UnusableRow:
        """Return the clip of a row: of a file known by its `path`, or of a table's line."""
        file = path if isinstance(rows, NamedFiles) else rows.file
        where = path or f"{file}:{line.number}"
        if line.fault:
            return UnusableRow("broken row", where)
        try:
            path = path or self._path(rows, line.cells, file)
            return self._clip(rows, path, self._fields(path, line.cells), file)
        except UnusableRowError as error:
            return UnusableRow(error.reason, where)

    def _path(self, rows: RowSource, cells: Fields, file: str) -> str:
        template = "" if isinstance(rows, NamedFiles) else rows.path
        path = fill_template(template, cells, file)
        if not path:
            raise UnusableRowError("no path")
        return path

    def _fields(self, path: str, cells: dict[str, Any]) -> Fields:
        """Return all fields of a clip: of its row, of its name, and of what is joined."""
        fields: dict[str, Any] = dict(cells)
        if self.layout.name:
            fit = self.name.fullmatch(audio_stem(path))
            if fit is None:
                raise UnusableRowError("name not understood")
            fields.update(fit.groupdict())
        if self.layout.join:
            key = str(fields.get(self.layout.join.on, ""))
            if key not in self.joined:
                raise UnusableRowError("not joined")
            fields.update(self.joined[key])
        return merge_flags(fields, self.flags) if self.layout.flags else fields

    def _clip(self, rows: RowSource, path: str, fields: Fields, file: str) -> ListedClip:
        layout = self.layout
        asked, *others = self.wanted
        labels = {asked: self._values(asked, fields, file)}
        if not labels[asked]:
            raise UnusableRowError("no label")
        labels |= {name: field_values(name, fields, file) for name in others}
        return ListedClip(
            path=path,
            labels={name: values for name, values in labels.items() if values},
            recording=fill_template(layout.recording, fields, file),
            split=rows.split or self._split(path, fields, file),
            fold=field_value(layout.fold, fields, file) if layout.fold else "",
        )

    def _values(self, name: str, fields: Fields, file: str) -> tuple[str, ...]:
        found = field_values(name, fields, file)
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
        value = field_value(layout.split, fields, file)
        split = layout.splits.get(value) if layout.splits else value
        if split not in SPLITS:
            raise UnusableRowError("unknown split" if value else "no split")
        return split
