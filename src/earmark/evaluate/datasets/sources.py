"""What tasks on other clips than the manifest's depend on, cheap enough to ask before each run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from earmark.annotate.scan import hash_file
from earmark.evaluate.config import EvaluateConfig, TaskConfig
from earmark.evaluate.datasets.audio_files import AudioFiles
from earmark.evaluate.datasets.broken import BrokenCopyError
from earmark.evaluate.datasets.entries import dataset_named, folder_of
from earmark.evaluate.datasets.listing import Listed, list_clips
from earmark.evaluate.datasets.own_table import layout_of
from earmark.evaluate.datasets.registry import Layout, NamedFiles

ABSENT = "absent"

DIGITS = 32


def source_digests(config: EvaluateConfig) -> dict[str, list[str]]:
    """Return, by task, what changes when its source does: not where it lies, but what it lists.

    For a named dataset that is its entry and the bytes of its tables, each "absent" where it is not
    there; for a table its bytes. Of audio the names and sizes of the files that are listed count,
    so that it is noticed when they arrive; none is opened.

    Raises:
        ConfigError: a dataset is unknown.
    """
    foreign = [task for task in config.tasks if task.dataset or task.table]
    return {task.title: list(_digests(task, config.datasets)) for task in foreign}


def _digests(task: TaskConfig, copies: str) -> Iterator[str]:
    if task.table:
        table = Path(task.table).absolute()
        yield _digest(table)
        yield _audio(layout_of(task), task.label, table.parent)
        return
    dataset = dataset_named(task.dataset)
    folder = Path(copies, folder_of(task.dataset)).absolute()
    yield hashlib.sha256(msgspec.json.encode(dataset, order="sorted")).hexdigest()[:DIGITS]
    for name in _parts(dataset.layout):
        yield _digest(folder / name) if copies else ABSENT
    yield _audio(dataset.layout, dataset.label, folder) if copies else ABSENT


def _audio(layout: Layout, label: str, folder: Path) -> str:
    """Return a digest of the audio that a copy lists: as it is named there, and each file's size.

    It is "absent" where the copy cannot be read.
    """
    digest = hashlib.sha256()
    files = AudioFiles(folder)
    try:
        for row in list_clips(layout, (label,), folder):
            if isinstance(row, Listed) and (path := files.find(row.path)):
                digest.update(f"{row.path} {path.name} {path.stat().st_size}\n".encode())
    except (BrokenCopyError, OSError):
        return ABSENT
    return digest.hexdigest()[:DIGITS]


def _parts(layout: Layout) -> Iterator[str]:
    """Yield the files and folders that a copy is read from."""
    for rows in layout.rows:
        yield rows.folder if isinstance(rows, NamedFiles) else rows.file
    if layout.join:
        yield layout.join.file
    yield from layout.lists.values()


def _digest(path: Path) -> str:
    if path.is_dir():
        return "folder"
    try:
        return hash_file(path)
    except OSError:
        return ABSENT
