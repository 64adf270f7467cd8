"""From a task's settings to its clips: the manifest's, a named dataset's, or a table's."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from earmark.evaluate.config import EvaluateConfig, TaskConfig
from earmark.evaluate.datasets.broken import BrokenCopyError
from earmark.evaluate.datasets.clips import Clips
from earmark.evaluate.datasets.entries import dataset_named, folder_of
from earmark.evaluate.datasets.listing import Listed, list_clips
from earmark.evaluate.datasets.measured import Losses, examples_of, merged, usable
from earmark.evaluate.datasets.own_table import check_table, contradiction, layout_of
from earmark.evaluate.datasets.registry import Layout
from earmark.evaluate.datasets.sides import with_validation
from earmark.evaluate.splits import belongs
from earmark.records import Example


def clips_of(task: TaskConfig, manifest: Sequence[Example], config: EvaluateConfig) -> Clips:
    """Return what a task is asked on; what cannot be had is a problem of the clips, told in words.

    Clips of a named dataset and of a table have ids as `scan` gives them. Those that are listed but
    cannot be used are counted by reason on stderr. Nothing is downloaded.

    Raises:
        ConfigError: there is no dataset of this name, or no table, or not with these columns.
    """
    if task.dataset:
        return _of_dataset(task, config)
    if task.table:
        check_table(task)
        table = Path(task.table).absolute()
        return _read(task, layout_of(task), table.parent, table)
    return Clips(task=task, examples=tuple(manifest))


def _of_dataset(task: TaskConfig, config: EvaluateConfig) -> Clips:
    dataset = dataset_named(task.dataset)
    layout = dataset.layout
    if not task.label or task.label == dataset.label:
        metric = dataset.metric if task.metric == "auto" else task.metric
        task = replace(task, label=dataset.label, metric=metric)
    else:
        layout = replace(layout, several="", values={})
    if not config.datasets:
        return _missing(task, "evaluate.datasets, the folder that holds copies, is not set")
    folder = Path(config.datasets, folder_of(task.dataset)).absolute()
    if not folder.is_dir():
        return _missing(task, f"no copy of {task.dataset} in {folder.parent}")
    return _read(task, layout, folder, folder)


def _missing(task: TaskConfig, why: str) -> Clips:
    problem = f"{why}: `earmark datasets {task.dataset}` says how to get it"
    return Clips(task=task, problem=problem, foreign=True)


def _read(task: TaskConfig, layout: Layout, folder: Path, source: Path) -> Clips:
    """Return the clips of a copy, or what it lacks; a problem names the `source`."""
    wanted = tuple(dict.fromkeys((task.label, *task.where)))
    losses = Losses()
    try:
        listed = list(usable(list_clips(layout, wanted, folder), losses))
    except BrokenCopyError as error:
        return Clips(task=task, problem=f"broken copy: {error}", foreign=True)
    within = [row for row in listed if belongs(row.labels, task)]
    if listed and not within:
        problem = f"none of the {len(listed)} rows of {source} has what `where` asks for"
        return Clips(task=task, problem=problem, foreign=True)
    if task.table:
        within = merged(within)
    chosen = examples_of(within, folder, task.title, losses)
    total = len(chosen) + losses.total()
    if not chosen:
        problem = f"none of the {total} clips of {source} can be used: {losses.told()}"
        return Clips(task=task, problem=problem, foreign=True)
    if losses.total():
        told = f"{losses.total()} of {total} clips left out: {losses.told()}"
        print(f"earmark: {task.title}: {told}", file=sys.stderr, flush=True)
    clips = _with_sides(task, layout, chosen)
    if problem := contradiction(clips.task, clips.examples):
        return Clips(task=task, problem=problem, foreign=True)
    return clips


def _with_sides(
    task: TaskConfig, layout: Layout, chosen: dict[str, tuple[Listed, Example]]
) -> Clips:
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
        examples = with_validation(examples, task.label)
    return Clips(task=task, examples=tuple(examples), folds=folds, foreign=True)
