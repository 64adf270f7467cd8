"""What a copy of a dataset can lack."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from earmark.config import nearest


class BrokenCopyError(ValueError):
    """A copy that cannot be read; the message says what was expected, and what was found."""


def no_field(name: str, known: Iterable[str], what: str) -> BrokenCopyError:
    """Return the error for a field that clips do not have."""
    return BrokenCopyError(f"{what}: no field {name!r}.{nearest(name, known)}")


def existing_file(folder: Path, name: str) -> Path:
    """Return a file of a copy. Raises BrokenCopyError where it is not there."""
    path = folder / name
    if path.is_file():
        return path
    raise BrokenCopyError(f"expected {name} in {folder}, found {_found(folder)}")


def existing_folder(folder: Path, name: str) -> Path:
    """Return a folder of a copy. Raises BrokenCopyError where it is not there."""
    path = folder / name
    if path.is_dir():
        return path
    raise BrokenCopyError(f"expected the folder {name} in {folder}, found {_found(folder)}")


def _found(folder: Path) -> str:
    try:
        names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        return f"nothing: {error.strerror}"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more if names else "nothing"
