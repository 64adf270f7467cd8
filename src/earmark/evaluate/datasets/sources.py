"""What tasks on other clips than the manifest's depend on, cheap enough to ask before each run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from earmark.annotate.scan import hash_file
from earmark.evaluate.config import EvaluateConfig, TaskConfig
from earmark.evaluate.datasets.entries import dataset_named, folder_of
from earmark.evaluate.datasets.layout import Layout, NamedFiles

ABSENT = "absent"


def source_digests(config: EvaluateConfig) -> dict[str, list[str]]:
    """Return, by task, what changes when its source does: not where it lies, but what it lists.

    For a named dataset that is its entry and the bytes of its tables, each "absent" where it is not
    there; for a table its bytes. Audio is not looked at: of a copy that is known by file names
    alone only the folders count.

    Raises:
        ConfigError: a dataset is unknown.
    """
    foreign = [task for task in config.tasks if task.dataset or task.table]
    return {task.title: list(_digests(task, config.datasets)) for task in foreign}


def _digests(task: TaskConfig, copies: str) -> Iterator[str]:
    if task.table:
        yield _digest(Path(task.table))
        return
    dataset = dataset_named(task.dataset)
    folder = Path(copies, folder_of(task.dataset))
    yield repr(dataset.layout)
    for name in _parts(dataset.layout):
        yield _digest(folder / name) if copies else ABSENT


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
