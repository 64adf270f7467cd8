"""A user's own table as a dataset: its columns stand in the task."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from earmark.config import ConfigError, nearest
from earmark.corpora.listing import existing
from earmark.corpora.table_reader import read_lines, table_suffix
from earmark.evaluate.config import TaskConfig
from earmark.evaluate.datasets.registry import Layout, TableRows
from earmark.records import Example

SURVEYED = 1000
"""Rows that are looked at for columns: of JSONL, a row need not have all of them."""


def check_table(task: TaskConfig) -> None:
    """Check that a task's table is there and has the columns that it names.

    Raises:
        ConfigError: it is not, or has not.
    """
    where = f"evaluate.tasks, {task.title!r}"
    path = existing(Path(task.table), f"{where}: table")
    table_suffix(path, f"{where}: table")
    columns: set[str] = set()
    for line in islice(read_lines(path), SURVEYED):
        columns.update(line.cells)
    if not columns:
        raise ConfigError(f"{where}: the table {path} has no row that can be read.")
    named = {
        "path_column": task.path_column,
        "label": task.label,
        "split_column": task.split_column,
        "recording_column": task.recording_column,
        **{f"where.{field}": field for field in task.where},
    }
    for setting, column in named.items():
        if column and column not in columns:
            raise ConfigError(
                f"{where}: {setting} = {column!r}, but {path} has no such column."
                f"{nearest(column, columns)}"
            )


def layout_of(task: TaskConfig) -> Layout:
    """Return how a task's table is read."""
    return Layout(
        rows=(TableRows(file=Path(task.table).name, path="{" + task.path_column + "}"),),
        recording="{" + task.recording_column + "}" if task.recording_column else "",
        split=task.split_column,
    )


def contradiction(task: TaskConfig, examples: Sequence[Example]) -> str:
    """Return what a table says against what its task says of it; "" where they agree.

    That is a recording on two sides of the table's own split, or several values of a clip where
    the metric wants one.
    """
    if not task.table:
        return ""
    split = _split_recordings(examples) if task.split == "manifest" else []
    if split:
        count = "1 recording is" if len(split) == 1 else f"{len(split)} recordings are"
        return (
            f"{count} on two sides of {task.split_column!r}, such as {split[0]!r}: correct the "
            'table, leave out recording_column, or deal the clips anew (split = "held-out")'
        )
    several = [example for example in examples if len(set(example.labels[task.label])) > 1]
    if several and task.metric in ("accuracy", "macro-accuracy"):
        return (
            f"{task.metric} wants one value a clip, but {len(several)} of {len(examples)} clips "
            f"have several of {task.label!r}, such as {several[0].name}: "
            'use metric = "map" or "auto"'
        )
    return ""


def _split_recordings(examples: Sequence[Example]) -> list[str]:
    """Return the recordings with clips on several sides, in the order listed."""
    sides: dict[str, set[str]] = {}
    for example in examples:
        if example.recording:
            sides.setdefault(example.recording, set()).add(example.split)
    return [name for name, seen in sides.items() if len(seen) > 1]
