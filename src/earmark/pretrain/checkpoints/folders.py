"""Folders that are there whole or not at all, whenever a run is killed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Generator
from pathlib import Path


@contextlib.contextmanager
def appearing(folder: Path) -> Generator[Path]:
    """Give a temporary folder that takes the name `folder` once the block has ended well.

    Everything in it is on the disk before the name is taken, so a crash leaves no half of it. A
    folder that had the name goes; a crash just then leaves it as `folder`.old (see `recover`).
    """
    recover(folder)
    temporary, old = (folder.with_name(f"{folder.name}.{word}") for word in ("tmp", "old"))
    for leftover in (temporary, old):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir(parents=True)
    yield temporary
    for path in [*temporary.rglob("*"), temporary]:
        _to_disk(path)
    if folder.exists():
        os.rename(folder, old)
    os.rename(temporary, folder)
    _to_disk(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def recover(folder: Path) -> None:
    """Give a folder its name back that a crash left as `folder`.old, before the new one had it.

    For the process that writes `folder` alone: to another it may be about to be replaced.
    """
    old = folder.with_name(f"{folder.name}.old")
    if old.exists() and not folder.exists():
        os.rename(old, folder)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
