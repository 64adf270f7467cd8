"""The folder that vocabularies of bare files go into: one writer, and nothing left unfinished."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Generator, Iterator
from pathlib import Path

from earmark.config import ConfigError
from earmark.workspace import locked

_OF_A_SIZE = re.compile(r"(label_|id2label_|vocabulary_|tags_|rewritten_)(\d+)(?:\.txt|\.json|)")
_UNFINISHED = (
    "vocabulary*.json.*.tmp",
    "label_*.txt.*.tmp",
    "id2label_*.json.*.tmp",
    "facts.json.*.tmp",
    "unread.parquet.tmp",
    "tags_[0-9]*/*.tmp",
    "rewritten_[0-9]*/*.tmp",
)


@contextlib.contextmanager
def writing(folder: Path) -> Generator[None]:
    """Hold a folder for one build, and clear away what a killed one left; it is made where needed.

    Raises:
        ConfigError: another process builds into it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(
            f"--out {folder} is a file, or lies in one, but a vocabulary is a folder of files. "
            "Give a folder; it is made where it is not there."
        ) from None
    except OSError as error:
        raise ConfigError(f"--out {folder} cannot be made: {error.strerror}") from None
    with locked(folder / "lock"):
        for pattern in _UNFINISHED:
            for path in folder.glob(pattern):
                path.unlink()
        yield


def of_earlier_builds(
    folder: Path, sizes: Collection[int], locks: Collection[int]
) -> Iterator[str]:
    """Yield the files and folders whose size a build did not write, by name.

    Args:
        folder: where it wrote.
        sizes: those that it wrote.
        locks: those of them that have a vocabulary_<K>.json.
    """
    for name in sorted(path.name for path in folder.iterdir()):
        if match := _OF_A_SIZE.fullmatch(name):
            written = locks if match[1] == "vocabulary_" else sizes
            if int(match[2]) not in written:
                yield name
