"""Tasks against the labels that there are: what a user misspelt, before anything is computed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from earmark.config import ConfigError, nearest
from earmark.evaluate.config import TaskConfig
from earmark.evaluate.datasets.entries import dataset_named
from earmark.evaluate.datasets.own_table import check_table
from earmark.evaluate.partition import belongs
from earmark.records import Labels


def check_tasks(tasks: Sequence[TaskConfig], labels: Sequence[Labels]) -> None:
    """Check that tasks have different names and ask for what there is.

    That is a label that some clip of the manifest has, a dataset that is known by name (whether a
    copy is there is not asked), or a table with the columns that the task names.

    Raises:
        ConfigError: two tasks share a name, a dataset is unknown, a table or a column of it is not
            there, a field exists nowhere or none of its `where` values does, or an accuracy is
            asked of clips with several values.
    """
    for name, count in Counter(task.title for task in tasks).items():
        if count > 1:
            raise ConfigError(
                f"evaluate.tasks: {count} tasks are named {name!r}. Rename one (name = ...)."
            )
    known: dict[str, set[str]] = defaultdict(set)
    for row in labels:
        for field, values in row.items():
            known[field].update(values)
    for task in tasks:
        if task.dataset:
            dataset_named(task.dataset)
        elif task.table:
            check_table(task)
        else:
            _check_fields(task, known)
            _check_metric(task, labels)


def _check_fields(task: TaskConfig, known: Mapping[str, set[str]]) -> None:
    for key, field in [("label", task.label), *(("where", field) for field in task.where)]:
        if field not in known:
            hint = nearest(field, known) or " The clips have no labels at all."
            raise ConfigError(
                f"evaluate.tasks, {task.title!r}: {key} names {field!r}, a label that no clip "
                f"has.{hint}"
            )
    for field, values in task.where.items():
        if not known[field].intersection(values):
            given = ", ".join(map(repr, values)) or "nothing"
            hint = nearest(values[0] if values else "", known[field])
            raise ConfigError(
                f"evaluate.tasks, {task.title!r}: where.{field} asks for {given}, which no clip "
                f"has.{hint}"
            )


def _check_metric(task: TaskConfig, labels: Sequence[Labels]) -> None:
    if task.metric not in ("accuracy", "macro-accuracy"):
        return
    several = [row for row in labels if belongs(row, task) and len(set(row[task.label])) > 1]
    if several:
        raise ConfigError(
            f"evaluate.tasks, {task.title!r}: {task.metric} wants one value a clip, but "
            f"{len(several)} clips have several of {task.label!r}, such as "
            f'{", ".join(several[0][task.label])}. Use metric = "map" or "auto".'
        )
