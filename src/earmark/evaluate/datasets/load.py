"""Load the clips of a classification task.

They are those of the manifest, of a known dataset, or of the user's own table.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

from earmark.config import ConfigError, suggest
from earmark.corpora.base import require_path
from earmark.corpora.table_reader import read_table_rows, table_format
from earmark.evaluate.config import ClassificationTaskConfig, EvaluateConfig
from earmark.evaluate.dataset_registry import Layout, TableRows, dataset_folder, get_dataset
from earmark.evaluate.datasets.listing import ListedClip, list_clips
from earmark.evaluate.datasets.measure import (
    RejectionCounts,
    make_examples,
    merge_label_rows,
    skip_unusable,
)
from earmark.evaluate.datasets.tables import BrokenCopyError
from earmark.evaluate.splits import add_validation_split, in_task
from earmark.records import Example


@dataclass(frozen=True)
class TaskClips:
    """What a task is asked on.

    `task` is complete: its label and its metric are set. `folds` has the fold of each clip where
    the dataset is cross-validated, by clip id; else it is empty. `problem` says why the task cannot
    be measured (what is missing, and how to get it), and is empty where it can. `foreign` tells
    that the clips are not the manifest's.
    """

    task: ClassificationTaskConfig
    examples: tuple[Example, ...] = ()
    folds: Mapping[str, str] = field(default_factory=dict[str, str])
    problem: str = ""
    foreign: bool = False


COLUMN_SCAN_ROWS = 1000
"""Rows that are looked at for columns: of JSONL, a row need not have all of them."""


def check_table(task: ClassificationTaskConfig) -> None:
    """Check that a task's table is there and has the columns that it names.

    Raises:
        ConfigError: it is not, or has not.
    """
    where = f"evaluate.tasks, {task.title!r}"
    path = require_path(Path(task.table), f"{where}: table")
    table_format(path, f"{where}: table")
    columns: set[str] = set()
    for line in islice(read_table_rows(path), COLUMN_SCAN_ROWS):
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
                f"{suggest(column, columns)}"
            )


def table_layout(task: ClassificationTaskConfig) -> Layout:
    """Return how a task's table is read."""
    return Layout(
        rows=(TableRows(file=Path(task.table).name, path="{" + task.path_column + "}"),),
        recording="{" + task.recording_column + "}" if task.recording_column else "",
        split=task.split_column,
    )


def find_contradiction(task: ClassificationTaskConfig, examples: Sequence[Example]) -> str:
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


def load_clips(
    task: ClassificationTaskConfig, manifest: Sequence[Example], config: EvaluateConfig
) -> TaskClips:
    """Return what a task is asked on; what cannot be had is a problem of the clips, told in words.

    Clips of a named dataset and of a table have ids as `scan` gives them. Those that are listed but
    cannot be used are counted by reason on stderr. Nothing is downloaded.

    Raises:
        ConfigError: there is no dataset of this name, or no table, or not with these columns.
    """
    if task.dataset:
        return _load_dataset(task, config)
    if task.table:
        check_table(task)
        table = Path(task.table).absolute()
        return _load_copy(task, table_layout(task), table.parent, table)
    return TaskClips(task=task, examples=tuple(manifest))


def _load_dataset(task: ClassificationTaskConfig, config: EvaluateConfig) -> TaskClips:
    dataset = get_dataset(task.dataset)
    layout = dataset.layout
    if not task.label or task.label == dataset.label:
        metric = dataset.metric if task.metric == "auto" else task.metric
        task = replace(task, label=dataset.label, metric=metric)
    else:
        layout = replace(layout, several="", values={})
    if not config.datasets:
        return _missing_clips(task, "evaluate.datasets, the folder that holds copies, is not set")
    folder = Path(config.datasets, dataset_folder(task.dataset)).absolute()
    if not folder.is_dir():
        return _missing_clips(task, f"no copy of {task.dataset} in {folder.parent}")
    return _load_copy(task, layout, folder, folder)


def _missing_clips(task: ClassificationTaskConfig, why: str) -> TaskClips:
    problem = f"{why}: `earmark datasets {task.dataset}` says how to get it"
    return TaskClips(task=task, problem=problem, foreign=True)


def _load_copy(
    task: ClassificationTaskConfig, layout: Layout, folder: Path, source: Path
) -> TaskClips:
    """Return the clips of a copy, or what it lacks; a problem names the `source`."""
    wanted = tuple(dict.fromkeys((task.label, *task.where)))
    losses = RejectionCounts()
    try:
        listed = list(skip_unusable(list_clips(layout, wanted, folder), losses))
    except BrokenCopyError as error:
        return TaskClips(task=task, problem=f"broken copy: {error}", foreign=True)
    within = [row for row in listed if in_task(row.labels, task)]
    if listed and not within:
        problem = f"none of the {len(listed)} rows of {source} has what `where` asks for"
        return TaskClips(task=task, problem=problem, foreign=True)
    if task.table:
        within = merge_label_rows(within)
    chosen = make_examples(within, folder, task.title, losses)
    total = len(chosen) + losses.total()
    if not chosen:
        problem = f"none of the {total} clips of {source} can be used: {losses.summary()}"
        return TaskClips(task=task, problem=problem, foreign=True)
    if losses.total():
        told = f"{losses.total()} of {total} clips left out: {losses.summary()}"
        print(f"earmark: {task.title}: {told}", file=sys.stderr, flush=True)
    clips = _assign_splits(task, layout, chosen)
    if problem := find_contradiction(clips.task, clips.examples):
        return TaskClips(task=task, problem=problem, foreign=True)
    return clips


def _assign_splits(
    task: ClassificationTaskConfig, layout: Layout, chosen: dict[str, tuple[ListedClip, Example]]
) -> TaskClips:
    """Return the clips with the split that their dataset names, or left to be dealt as held out."""
    examples = [example for _, example in chosen.values()]
    folds: dict[str, str] = {}
    if task.split == "held-out" or layout.dealt:
        # Pre-training fitted none of them, and `partition` deals those: 60/20/20 in each class.
        task = replace(task, split="held-out")
        examples = [replace(example, split="test") for example in examples]
    elif layout.fold:
        examples = [replace(example, split="test") for example in examples]  # in one fold each
        folds = {name: row.fold for name, (row, _) in chosen.items()}
    else:
        examples = add_validation_split(examples, task.label)
    return TaskClips(task=task, examples=tuple(examples), folds=folds, foreign=True)
