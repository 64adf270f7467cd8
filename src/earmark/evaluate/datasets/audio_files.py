"""The audio files of a copy: a file counts under whatever audio suffix it was stored."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from earmark.audio import SUFFIXES
from earmark.evaluate.datasets.broken import existing_folder

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
